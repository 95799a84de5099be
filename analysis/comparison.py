"""Comparison of two analyses: what changed between the runs."""

from collections.abc import Iterator
from typing import NamedTuple

from analysis.analyse import Analysis

#: Settings that differ between any two runs.
_UNIQUE = {"id", "created", "epoch_ms", "started_ms", "finished_ms"}


class Change(NamedTuple):
    """One difference between two runs.

    Attributes:
        what: kind of value: `verdict`, `setting`, `check`, `events`, `group` or `rate`.
        name: name of the value.
        before, after: its value in either run; None when a run lacks it.
    """

    what: str
    name: str
    before: object
    after: object


def compare(before: Analysis, after: Analysis) -> tuple[Change, ...]:
    """Return the differences in the order of a report: verdict, settings, checks, events, groups, rates."""
    return tuple(change for change in _all(before, after) if change.before != change.after)


def _all(before: Analysis, after: Analysis) -> Iterator[Change]:
    yield Change("verdict", "verdict", str(before.verdict), str(after.verdict))
    yield Change("verdict", "layer", before.layer and str(before.layer), after.layer and str(after.layer))
    for name in sorted((before.run.keys() | after.run.keys()) - _UNIQUE):
        yield Change("setting", name, before.run.get(name), after.run.get(name))
    statuses = [{check.name: str(check.status) for check in one.checks} for one in (before, after)]
    for name in dict.fromkeys([*statuses[0], *statuses[1]]):
        yield Change("check", name, statuses[0].get(name), statuses[1].get(name))
    for name in before.reconciliation:
        yield Change("events", name, before.reconciliation[name], after.reconciliation.get(name))
    landed = [{group.name: group.landed for group in one.groups} for one in (before, after)]
    for name in dict.fromkeys([*landed[0], *landed[1]]):
        yield Change("group", f"{name} subjects", landed[0].get(name), landed[1].get(name))
    rates = [{rate.group: round(rate.rate, 6) for rate in one.rates} for one in (before, after)]
    for name in dict.fromkeys([*rates[0], *rates[1]]):
        yield Change("rate", f"{name} clicks per impression", rates[0].get(name), rates[1].get(name))
