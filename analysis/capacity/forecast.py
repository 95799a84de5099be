"""Forecast of the events of an experiment: a linear traffic model.

    events per second = page views per second x peak factor x share of logged-in readers x sample rate
                      x share of views that show the element x (events per view + clicks per impression)

The model is linear in the sample rate, so the largest safe rate is a quotient.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from common.errors import DogfoodError

DAY_S = 86_400

#: Retention of raw rows, days.
RETENTION_DAYS = 90

#: Events per second in one stream above which the data engineers must agree.
STREAM_LIMIT = 1000.0

#: Experiments begin, and their rates change, at 14:30 UTC.
_CHANGE_HOUR, _CHANGE_MINUTE = 14, 30

#: Last day of a week on which rates change: Thursday.
_LAST_CHANGE_DAY = 3

#: Significant digits of a rate, because people type it in.
_RATE_DIGITS = 4


class ForecastError(DogfoodError):
    """Impossible figure of a traffic model; the message names it."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Figures that determine the events of an experiment.

    Attributes:
        pageviews: page views per second, averaged over a day, of all wikis of the experiment.
        logged_in: share of page views by readers who can be enrolled, 0 to 1.
        views_with_element: share of those that show the instrumented element, 0 to 1.
        ctr: clicks per view with the element.
        events_per_view: events other than clicks per view with the element, by stream; clicks go to the first stream.
        sample_rate: share of readers that are enrolled, 0 to 1.
        peak: page views per second at the busiest time of the day, divided by the average.
        stream_limit: events per second that one stream may carry.
        background: events per second, at the peak, that others send to each stream.
    """

    pageviews: float
    events_per_view: Mapping[str, float]
    logged_in: float = 1.0
    views_with_element: float = 1.0
    ctr: float = 0.0
    sample_rate: float = 1.0
    peak: float = 1.0
    stream_limit: float = STREAM_LIMIT
    background: float = 0.0

    def __post_init__(self) -> None:
        for name in ("logged_in", "views_with_element", "sample_rate"):
            _within(name, getattr(self, name), 0, 1)
        for name in ("pageviews", "stream_limit", "background", "ctr"):
            _within(name, getattr(self, name), 0, 1e12)
        _within("peak", self.peak, 1, 1000)
        if not self.events_per_view:
            raise ForecastError("events per view: no stream is named; name at least one")
        for value in self.events_per_view.values():
            _within("events_per_view", value, 0, 1e6)


class EventSize(NamedTuple):
    """Mean size of an event in bytes: as a request body, and as a compressed row of the table."""

    body: float
    row: float


@dataclass(frozen=True, slots=True)
class Sizes:
    """Mean sizes of impressions and clicks, measured on *events* rendered events; *source* describes those."""

    impression: EventSize
    click: EventSize
    events: int
    source: str


class StreamNeed(NamedTuple):
    """Load and storage of one stream at a sample rate.

    Attributes:
        stream: name of the stream.
        average, peak: events per second of this experiment.
        peak_bytes: bytes per second of event bodies at the peak.
        rows_a_day, gb_a_day: rows and GB per day in the table (GB = 10^9 bytes, compressed).
        kept_gb: GB in the table at the end of the retention period.
        headroom: events per second below the stream's limit at the peak, background included; negative when above.
        used: used share of the stream's limit at the peak, background included.
        largest_rate: largest sample rate with a peak within the limit; 0 when others use all of it.
    """

    stream: str
    average: float
    peak: float
    peak_bytes: float
    rows_a_day: float
    gb_a_day: float
    kept_gb: float
    headroom: float
    used: float
    largest_rate: float


class RampStep(NamedTuple):
    """One step of a ramp-up: start, sample rate, and load of the busiest stream, events per second."""

    at: datetime
    rate: float
    average: float
    peak: float
    rows_a_day: float
    used: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """Forecast of an experiment.

    Attributes:
        traffic: figures of the model.
        sizes: sizes of its events.
        streams: load and storage of each stream at the model's sample rate.
        largest_rate: largest sample rate that keeps every stream within its limit, exactly.
        fits: whether the model's sample rate does.
        ramp: doubling steps up to that rate, or up to the largest safe rate when that is lower.
    """

    traffic: Traffic
    sizes: Sizes
    streams: tuple[StreamNeed, ...]
    largest_rate: float
    fits: bool
    ramp: tuple[RampStep, ...]

    @property
    def tightest(self) -> StreamNeed:
        """Stream with the smallest allowed sample rate."""
        return min(self.streams, key=lambda need: (need.largest_rate, -need.used))


def forecast(
    traffic: Traffic, sizes: Sizes, *, now: datetime, first_rate: float = 0.001, every_days: int = 2
) -> Forecast:
    """Return the forecast of *traffic*.

    Args:
        traffic: figures of the model.
        sizes: sizes of its events.
        now: the ramp-up begins at the next 14:30 UTC after this moment.
        first_rate: sample rate of the ramp-up's first step.
        every_days: least days between steps; a step on a Friday or a weekend moves to the Monday.

    Raises:
        ForecastError: a figure of the ramp-up is impossible.
    """
    _within("first_rate", first_rate, 1e-9, 1)
    _within("every_days", every_days, 1, 365)
    streams = tuple(_need(traffic, sizes, stream) for stream in traffic.events_per_view)
    largest = min(need.largest_rate for need in streams)
    # Comparing rates avoids rounding: the largest rate itself fits.
    fits = traffic.sample_rate <= largest
    goal = min(traffic.sample_rate, largest if fits else rounded_down(largest))
    steps = _ramp_rates(first_rate, goal)
    busiest = max(streams, key=lambda need: need.peak)
    ramp = tuple(
        _ramp_step(traffic, busiest.stream, rate, at)
        for rate, at in zip(steps, _change_times(now, every_days), strict=False)
    )
    return Forecast(traffic, sizes, streams, largest, fits, ramp)


def largest_safe_rate(traffic: Traffic, stream: str) -> float:
    """Return the largest sample rate, at most 1, with a peak within the limit of *stream*.

    0 when others use all of the stream; 1 when the events of all readers fit.
    """
    room = traffic.stream_limit - traffic.background
    whole = _events_a_second(traffic, stream, 1.0) * traffic.peak
    if room < 0:
        return 0.0
    return 1.0 if whole <= room else room / whole


def rounded_down(rate: float) -> float:
    """Return *rate* rounded towards 0 to four significant digits, so that a typed rate stays safe."""
    if rate <= 0:
        return 0.0
    digits = _RATE_DIGITS - 1 - math.floor(math.log10(rate))
    lowered = math.floor(rate * 10.0**digits) / 10.0**digits
    # Powers of ten are inexact for tiny rates.
    return min(lowered, rate)


def first_change(now: datetime) -> datetime:
    """Return the next moment, strictly after *now* (with a time zone), at which operators change rates."""
    at = now.replace(hour=_CHANGE_HOUR, minute=_CHANGE_MINUTE, second=0, microsecond=0)
    return _working_day(at if at > now else at + timedelta(days=1))


def _working_day(at: datetime) -> datetime:
    """Return *at*, or the next Monday from Friday to Sunday, because nobody watches a change over a weekend."""
    return at + timedelta(days=7 - at.weekday()) if at.weekday() > _LAST_CHANGE_DAY else at


def _change_times(now: datetime, every_days: int) -> Iterator[datetime]:
    """Yield the moments of a ramp-up's steps, endlessly."""
    at = first_change(now)
    while True:
        yield at
        at = _working_day(at + timedelta(days=every_days))


def _need(traffic: Traffic, sizes: Sizes, stream: str) -> StreamNeed:
    average = _events_a_second(traffic, stream, traffic.sample_rate)
    peak = average * traffic.peak
    size = _mean_size(traffic, sizes, stream)
    rows = average * DAY_S
    gigabytes = rows * size.row / 1e9
    total = peak + traffic.background
    return StreamNeed(
        stream=stream, average=average, peak=peak, peak_bytes=peak * size.body, rows_a_day=rows, gb_a_day=gigabytes,
        kept_gb=gigabytes * RETENTION_DAYS, headroom=traffic.stream_limit - total,
        used=total / traffic.stream_limit if traffic.stream_limit else math.inf,
        largest_rate=largest_safe_rate(traffic, stream),
    )  # fmt: skip


def _events_a_view(traffic: Traffic, stream: str) -> tuple[float, float]:
    """Return (events other than clicks, clicks) that a view with the element sends to *stream*."""
    first = next(iter(traffic.events_per_view))
    return traffic.events_per_view[stream], traffic.ctr if stream == first else 0.0


def _events_a_second(traffic: Traffic, stream: str, rate: float) -> float:
    views = traffic.pageviews * traffic.logged_in * rate * traffic.views_with_element
    return views * sum(_events_a_view(traffic, stream))


def _mean_size(traffic: Traffic, sizes: Sizes, stream: str) -> EventSize:
    others, clicks = _events_a_view(traffic, stream)
    total = others + clicks
    if not total:
        return sizes.impression
    return EventSize(
        *((others * one + clicks * click) / total for one, click in zip(sizes.impression, sizes.click, strict=True))
    )


def _ramp_step(traffic: Traffic, stream: str, rate: float, at: datetime) -> RampStep:
    average = _events_a_second(traffic, stream, rate)
    peak = average * traffic.peak
    used = (peak + traffic.background) / traffic.stream_limit if traffic.stream_limit else math.inf
    return RampStep(at, rate, average, peak, average * DAY_S, used)


def _ramp_rates(first: float, goal: float) -> list[float]:
    """Return *first*, doubled until *goal*, which comes last; only *goal* when that is lower."""
    if goal <= 0:
        return []
    rates = []
    rate = first
    while rate < goal * (1 - 1e-9):
        rates.append(rate)
        rate *= 2
    return [*rates, goal]


def _within(name: str, value: float, low: float, high: float) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        raise ForecastError(f"{name.replace('_', ' ')} must be between {low:g} and {high:g}, not {value:g}")
