"""Pacing: a pacer is a pure function from the number of an arrival to its intended time.

A *shape* is the rate over time. A *pace* is the arrival process at that rate: constant, or Poisson. Together they give
the intended time of arrival number *n*, independent of earlier arrivals: an open model. The wait follows from the
elapsed time; an arrival whose time has passed is overdue, never postponed.
"""

from personas.pacing.pacer import Pace, Pacer
from personas.pacing.shapes import SHAPES_HELP, PacingError, Shape, parse_rate, parse_shape

__all__ = ["SHAPES_HELP", "Pace", "Pacer", "PacingError", "Shape", "parse_rate", "parse_shape"]
