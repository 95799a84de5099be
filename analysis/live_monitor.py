"""Live monitor of a run: subjects of each group as they land, and a sample-ratio test that is valid at any time."""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analysis.statistics import sequential_test
from contracts.assignment import expected_shares
from contracts.generation import Generation
from personas.plan.plan import Plan

#: Concentrations for gross faults, which a few dozen subjects show, up to slight ones, which take many thousands.
_CONCENTRATIONS = (2.0, 100.0, 10_000.0)

#: Logarithm of the largest e-value that is reported.
_LARGEST = 700.0


class MonitorReading(NamedTuple):
    """Counts and test values at one moment.

    Attributes:
        events, impressions, clicks: number of events of the experiment so far.
        subjects: distinct subjects of each group, without those that were chosen for their group.
        e_value: likelihood ratio of shares near the expected ones against the expected ones; can fall again.
        p_value: valid at every look; never rises, and is 1 before the first subject.
    """

    events: int
    impressions: int
    clicks: int
    subjects: Mapping[str, int]
    e_value: float
    p_value: float


class LiveMonitor:
    """Counter of a plan's events as they arrive.

    Args:
        plan: plan of the run.
        chosen: subjects, as events name them, that were chosen for their group.
    """

    def __init__(self, plan: Plan, chosen: frozenset[str] = frozenset()) -> None:
        self._generation = plan.settings.generation
        self._experiment = plan.experiment.name
        self._feature = plan.experiment.features[0].name
        self._groups = plan.experiment.groups
        self._shares: Sequence[Fraction] = expected_shares(len(self._groups), plan.rate).groups
        self._chosen = chosen
        self._seen: set[tuple[str, str]] = set()
        self._counts = dict.fromkeys(self._groups, 0)
        self._events = {"impression": 0, "click": 0, "": 0}
        self._p_value = 1.0

    def add(self, event: Mapping[str, object]) -> None:
        """Count *event*, unless it is of another experiment or names no group of this one."""
        subject, group = self._enrolment(event)
        if group not in self._counts:
            return
        action = str(event.get("action"))
        self._events[action if action in self._events else ""] += 1
        if subject and subject not in self._chosen and (subject, group) not in self._seen:
            self._seen.add((subject, group))
            self._counts[group] += 1

    def look(self) -> MonitorReading:
        """Return the current reading; repeated looks do not weaken the test (see `analysis.statistics`)."""
        e_value = 1.0
        if self._seen:
            log_e_value = _log_e_value(np.array([list(self._counts.values())]), self._shares)
            e_value = math.exp(min(log_e_value, _LARGEST))
            self._p_value = min(self._p_value, math.exp(-max(log_e_value, 0.0)))
        impressions, clicks = self._events["impression"], self._events["click"]
        return MonitorReading(
            sum(self._events.values()), impressions, clicks, dict(self._counts), e_value, self._p_value
        )

    def _enrolment(self, event: Mapping[str, object]) -> tuple[str, str]:
        """Return the subject and the group of *event*, each empty when missing."""
        if self._generation is Generation.ALPHA:
            experiments = _member(event, "experiments")
            enrolled = experiments.get("enrolled")
            if not isinstance(enrolled, list) or self._experiment not in enrolled:
                return "", ""
            return str(_member(event, "performer").get("id", "")), str(
                _member(experiments, "assigned").get(self._feature, "")
            )
        experiment = _member(event, "experiment")
        if experiment.get("enrolled") != self._experiment:
            return "", ""
        return str(experiment.get("subject_id", "")), str(experiment.get("assigned", ""))


def _log_e_value(counts: NDArray[np.int64], shares: Sequence[Fraction]) -> float:
    """Return the logarithm of the mean of the e-values for gross, medium and slight faults.

    The mean of e-values is an e-value (Vovk & Wang, 2021, Annals of Statistics 49), so the test is valid at any time.
    """
    values = [float(sequential_test(counts, shares, weight).log_e_value[-1]) for weight in _CONCENTRATIONS]
    return float(special.logsumexp(values)) - math.log(len(values))


def _member(event: Mapping[str, object], name: str) -> Mapping[str, object]:
    member = event.get(name)
    return member if isinstance(member, Mapping) else {}
