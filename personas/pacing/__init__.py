"""When things arrive: a pacer is a pure function from an arrival's number to its intended time.

A *shape* says how the rate changes over time, a *pace* how arrivals follow each other at that rate: evenly, or as a
Poisson process. Both together give the intended time of arrival number *n*, whatever happened to those before it: an
open model. How long there is to wait for it follows from the time that has elapsed; an arrival whose time has passed is
overdue, never postponed.
"""

from personas.pacing.pacer import Pace, Pacer
from personas.pacing.shapes import SHAPES_HELP, PacingError, Shape, parse_rate, parse_shape

__all__ = ["SHAPES_HELP", "Pace", "Pacer", "PacingError", "Shape", "parse_rate", "parse_shape"]
