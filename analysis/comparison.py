"""What changed between two runs."""

from collections.abc import Iterator
from typing import NamedTuple

from analysis.analyse import Analysis

#: What every run has of its own.
_OWN = {"id", "created", "epoch_ms", "started_ms", "finished_ms"}


class Change(NamedTuple):
    """One thing that is not the same in two runs.

    Attributes:
        what: `verdict`, `setting`, `check`, `events`, `group` or `rate`.
        name: of the thing.
        before, after: what it was in the one and is in the other, None where it is not there.
    """

    what: str
    name: str
    before: object
    after: object


def compare(before: Analysis, after: Analysis) -> tuple[Change, ...]:
    """Return what is not the same, in the order of a report: the verdict, settings, checks, events, groups, rates."""
    return tuple(change for change in _all(before, after) if change.before != change.after)


def _all(before: Analysis, after: Analysis) -> Iterator[Change]:
    yield Change("verdict", "verdict", str(before.verdict), str(after.verdict))
    yield Change("verdict", "layer", before.layer and str(before.layer), after.layer and str(after.layer))
    for name in sorted((before.run.keys() | after.run.keys()) - _OWN):
        yield Change("setting", name, before.run.get(name), after.run.get(name))
    said = [{check.name: str(check.verdict) for check in one.checks} for one in (before, after)]
    for name in dict.fromkeys([*said[0], *said[1]]):
        yield Change("check", name, said[0].get(name), said[1].get(name))
    for name in before.reconciliation:
        yield Change("events", name, before.reconciliation[name], after.reconciliation.get(name))
    landed = [{group.name: group.landed for group in one.groups} for one in (before, after)]
    for name in dict.fromkeys([*landed[0], *landed[1]]):
        yield Change("group", f"{name} subjects", landed[0].get(name), landed[1].get(name))
    rates = [{rate.group: round(rate.rate, 6) for rate in one.rates} for one in (before, after)]
    for name in dict.fromkeys([*rates[0], *rates[1]]):
        yield Change("rate", f"{name} clicks per impression", rates[0].get(name), rates[1].get(name))
