"""Stretches of time in which events were acknowledged and none of them landed, while others did."""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from analysis.summaries.timeline import TimeBucket

#: Fewer lost events than this are too few to call a stretch silent.
_MIN_EVENTS = 20

#: As likely as this, a stretch is silent by the chance of a scattered loss.
_CHANCE = 1e-6

_HOUR_MS = 3_600_000


class Gap(NamedTuple):
    """A stretch of time from which nothing landed.

    Attributes:
        from_ms, until_ms: milliseconds since 1970.
        acknowledged, lost: events of that time.
        hourly: whether it is made of whole hours of the clock, as a partition that did not come would be. Any other is
            an intake's that acknowledged and produced nothing.
    """

    from_ms: int
    until_ms: int
    acknowledged: int
    lost: int
    hourly: bool


def find_gaps(moments: Sequence[TimeBucket]) -> tuple[Gap, ...]:
    """Return the silences among *moments*; none where nothing landed at any time.

    A run of moments that a loss like that of the others would leave silent now and then is none; nor is one of which
    only whole subjects are missing, who are gone at every other time as well.
    """
    busy = [moment for moment in moments if moment.acknowledged]
    runs = [list(run) for silent, run in groupby(busy, key=lambda moment: not moment.landed) if silent]
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
    """Return whether a gap begins and ends with hours of the clock, or with the run, and the run has other hours."""
    begin, end = gap[0].at_ms, gap[-1].at_ms + gap[-1].span_ms
    first, last = moments[0].at_ms, moments[-1].at_ms + moments[-1].span_ms
    hours = {moment.at_ms // _HOUR_MS for moment in moments}
    slack = gap[0].span_ms
    starts = begin == first or begin % _HOUR_MS < slack or _HOUR_MS - begin % _HOUR_MS <= slack
    ends = end == last or end % _HOUR_MS <= slack or _HOUR_MS - end % _HOUR_MS < slack
    return len(hours) > 1 and starts and ends
