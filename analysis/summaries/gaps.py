"""Gaps: periods in which acknowledged events did not land, while events of other periods did."""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from analysis.summaries.timeline import TimeBucket

#: Least lost events of a gap.
_MIN_EVENTS = 20

#: Largest probability that a scattered loss makes a gap by chance.
_CHANCE = 1e-6

_HOUR_MS = 3_600_000


class Gap(NamedTuple):
    """A period from which no event landed.

    Attributes:
        from_ms, until_ms: start and end, milliseconds since 1970.
        acknowledged, lost: number of events of that period.
        hourly: whether it consists of whole clock hours, as a missing partition does; any other gap points at an
            intake that acknowledged events and produced none.
    """

    from_ms: int
    until_ms: int
    acknowledged: int
    lost: int
    hourly: bool


def find_gaps(moments: Sequence[TimeBucket]) -> tuple[Gap, ...]:
    """Return the gaps among *moments*; none when no event landed at any time.

    Consecutive moments without rows are not a gap when the loss rate of the others makes them likely, or when only
    whole subjects are missing that did not land at any other time either.
    """
    busy = [moment for moment in moments if moment.acknowledged]
    runs = [list(run) for empty, run in groupby(busy, key=lambda moment: not moment.landed) if empty]
    others = [moment for moment in busy if moment.landed]
    if not others:
        return ()
    loss = sum(moment.lost for moment in others) / sum(moment.acknowledged for moment in others)
    return tuple(
        Gap(
            run[0].at_ms,
            run[-1].at_ms + run[-1].span_ms,
            sum(moment.acknowledged for moment in run),
            lost,
            _whole_hours(moments, run),
        )
        for run in runs
        if (lost := sum(moment.lost for moment in run)) >= _MIN_EVENTS
        and loss**lost < _CHANCE
        and any(moment.lost_of_landed for moment in run)
    )


def _whole_hours(moments: Sequence[TimeBucket], gap: Sequence[TimeBucket]) -> bool:
    """Return whether a gap begins and ends at full hours, or with the run, and the run has other hours."""
    begin, end = gap[0].at_ms, gap[-1].at_ms + gap[-1].span_ms
    first, last = moments[0].at_ms, moments[-1].at_ms + moments[-1].span_ms
    hours = {moment.at_ms // _HOUR_MS for moment in moments}
    slack = gap[0].span_ms
    starts = begin == first or begin % _HOUR_MS < slack or _HOUR_MS - begin % _HOUR_MS <= slack
    ends = end == last or end % _HOUR_MS <= slack or _HOUR_MS - end % _HOUR_MS < slack
    return len(hours) > 1 and starts and ends
