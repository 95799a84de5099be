"""The traffic model: figures of the contract, and what must hold for any traffic."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.capacity.event_sizes import EVENT_SIZES
from analysis.capacity.forecast import (
    EventSize,
    ForecastError,
    Sizes,
    Traffic,
    first_change,
    forecast,
    largest_safe_rate,
    rounded_down,
)
from analysis.capacity.forecast_page import render
from analysis.capacity.forecast_report import assumptions, needs, sentence, to_json
from bench.event_sizes import measured_sizes, plan_of
from contracts.generation import Generation
from tests.plans import plan as small_plan

STREAM = "product_metrics.web_base"
SIZES = Sizes(EventSize(1000, 100), EventSize(2000, 200), 10, "a test")
NOW = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)

shares = st.floats(0.001, 1)
traffics = st.builds(
    Traffic,
    pageviews=st.floats(1, 100_000),
    events_per_view=st.dictionaries(st.sampled_from([STREAM, "b", "c"]), st.floats(0.01, 50), min_size=1),
    logged_in=shares,
    views_with_element=shares,
    ctr=st.floats(0, 2),
    sample_rate=st.floats(0, 1),
    peak=st.floats(1, 10),
    stream_limit=st.floats(1, 100_000),
    background=st.floats(0, 50_000),
)


def test_the_contract_figure() -> None:
    """6,000 page views a second with one event a view, and 1,000 events a second: about 1/6."""
    estimate = forecast(Traffic(6000, {STREAM: 1}), SIZES, now=NOW)
    assert estimate.largest_rate == 1 / 6
    assert not estimate.fits
    assert rounded_down(estimate.largest_rate) == 0.1666
    assert forecast(Traffic(6000, {STREAM: 1}, sample_rate=1 / 6), SIZES, now=NOW).fits


def test_every_figure_by_hand() -> None:
    traffic = Traffic(
        6000, {STREAM: 1}, logged_in=0.05, views_with_element=0.8, ctr=0.03, sample_rate=0.1, peak=2.5, background=38.2
    )
    [need] = forecast(traffic, SIZES, now=NOW).streams
    average = 6000 * 0.05 * 0.8 * 0.1 * 1.03
    assert need.average == pytest.approx(average)
    assert need.peak == pytest.approx(61.8)
    assert need.peak_bytes == pytest.approx(24 * 2.5 * 1000 + 0.72 * 2.5 * 2000)
    assert need.rows_a_day == pytest.approx(average * 86_400)
    assert need.gb_a_day == pytest.approx((24 * 100 + 0.72 * 200) * 86_400 / 1e9)
    assert need.kept_gb == pytest.approx(90 * need.gb_a_day)
    assert need.headroom == pytest.approx(900)
    assert need.used == pytest.approx(0.1)
    assert need.largest_rate == 1


@given(traffics)
def test_largest_safe_rate_peaks_at_the_limit(traffic: Traffic) -> None:
    estimate = forecast(traffic, SIZES, now=NOW)
    at_it = forecast(replace(traffic, sample_rate=estimate.largest_rate), SIZES, now=NOW)
    assert at_it.fits
    tightest = max(need.peak for need in at_it.streams)
    if estimate.largest_rate == 0:
        assert traffic.background >= traffic.stream_limit
    elif estimate.largest_rate < 1:
        assert tightest + traffic.background == pytest.approx(traffic.stream_limit, rel=1e-9)
    else:
        assert tightest + traffic.background <= traffic.stream_limit * (1 + 1e-9)


@given(traffics)
def test_rate_fits_up_to_the_largest_rate(traffic: Traffic) -> None:
    estimate = forecast(traffic, SIZES, now=NOW)
    assert estimate.fits == (traffic.sample_rate <= estimate.largest_rate)
    over = [need for need in estimate.streams if need.headroom < -1e-9 * traffic.stream_limit]
    if estimate.fits and traffic.background <= traffic.stream_limit:
        assert not over


@given(st.floats(1e-12, 1))
def test_rounding_down_stays_below_and_close(rate: float) -> None:
    assert 0.998 * rate < rounded_down(rate) <= rate


@given(traffics, st.floats(1e-4, 1), st.integers(1, 10))
def test_a_ramp_doubles_and_never_passes_the_limit(traffic: Traffic, first: float, days: int) -> None:
    estimate = forecast(traffic, SIZES, now=NOW, first_rate=first, every_days=days)
    rates = [step.rate for step in estimate.ramp]
    assert all(rate <= min(estimate.largest_rate, traffic.sample_rate) * (1 + 1e-9) for rate in rates)
    assert all(later == pytest.approx(2 * former) for former, later in pairwise(rates[:-1]))
    assert all(former < later <= 2 * former * (1 + 1e-9) for former, later in pairwise(rates))
    gaps = [later.at - former.at for former, later in pairwise(estimate.ramp)]
    assert all(timedelta(days=days) <= gap <= timedelta(days=days + 3) for gap in gaps)
    # As the plan says: Monday to Thursday.
    assert all(step.at.weekday() < 4 for step in estimate.ramp)
    assert all((step.at.hour, step.at.minute) == (14, 30) for step in estimate.ramp)
    if estimate.fits and traffic.sample_rate:
        assert rates[-1] == traffic.sample_rate


def test_only_the_first_stream_gets_the_clicks() -> None:
    traffic = Traffic(100, {"a": 1, "b": 1}, ctr=0.5)
    one, other = forecast(traffic, SIZES, now=NOW).streams
    assert (one.average, other.average) == (150, 100)


def test_others_may_have_used_up_the_stream() -> None:
    traffic = Traffic(100, {"a": 1}, sample_rate=0.1, background=1000.5)
    estimate = forecast(traffic, SIZES, now=NOW)
    assert (estimate.largest_rate, estimate.fits, estimate.ramp) == (0, False, ())
    assert "no sample rate is safe" in sentence(estimate)
    assert largest_safe_rate(replace(traffic, background=1000), "a") == 0


@pytest.mark.parametrize(
    ("now", "then"),
    [
        (datetime(2026, 2, 3, 14, 29, 59, tzinfo=UTC), datetime(2026, 2, 3, 14, 30, tzinfo=UTC)),
        (datetime(2026, 2, 3, 14, 30, tzinfo=UTC), datetime(2026, 2, 4, 14, 30, tzinfo=UTC)),
        # From Friday to Sunday: the Monday.
        (datetime(2026, 2, 5, 14, 30, tzinfo=UTC), datetime(2026, 2, 9, 14, 30, tzinfo=UTC)),
        (datetime(2026, 2, 8, 15, 0, tzinfo=UTC), datetime(2026, 2, 9, 14, 30, tzinfo=UTC)),
    ],
)
def test_rates_change_at_half_past_two(now: datetime, then: datetime) -> None:
    assert first_change(now) == then


@pytest.mark.parametrize(
    ("field", "value"), [("logged_in", 1.5), ("pageviews", float("nan")), ("peak", 0.5), ("stream_limit", -1)]
)
def test_figures_that_cannot_be_are_named(field: str, value: float) -> None:
    with pytest.raises(ForecastError, match=field.replace("_", " ")):
        replace(Traffic(100, {"a": 1}), **{field: value})  # type: ignore[arg-type]


def test_sizes_are_those_of_rendered_events() -> None:
    plan = small_plan(visitors=400)
    sizes = measured_sizes(plan)
    bodies = [event.body for event in plan.events(0, 400)]
    impressions = [len(body) for body in bodies if b'"action":"impression"' in body]
    assert sizes.events == len(bodies)
    assert sizes.impression.body == pytest.approx(sum(impressions) / len(impressions))
    # Ids alone are 30 random bytes; nothing is stored larger than it was sent.
    assert 30 < sizes.impression.row < sizes.impression.body / 2


@pytest.mark.parametrize("generation", list(Generation))
def test_recorded_sizes_are_measured_ones(generation: Generation) -> None:
    measured, recorded = measured_sizes(plan_of(generation)), EVENT_SIZES[generation]
    assert (measured.events, measured.source) == (recorded.events, recorded.source)
    for size, expected in ((measured.impression, recorded.impression), (measured.click, recorded.click)):
        assert size.body == pytest.approx(expected.body, abs=0.05)
        # Compression differs a little between versions of its library.
        assert size.row == pytest.approx(expected.row, rel=0.02)


def test_page_terminal_and_json_say_the_same() -> None:
    traffic = Traffic(6000, {STREAM: 1, "other": 2}, logged_in=0.05, sample_rate=0.8, peak=2.5)
    estimate = forecast(traffic, SIZES, now=NOW)
    page, content = render(estimate), json.loads(to_json(estimate))
    assert content["sentence"] in page
    for figure in [*assumptions(estimate), *(row for need in estimate.streams for row in needs(need))]:
        assert f'<td class="n">{figure.value}</td><td>{figure.unit}</td>' in page
    for step in content["ramp_up"]:
        assert f"{step['events_a_second_peak']:,.1f}" in page
    assert content["largest_safe_rate"] == estimate.largest_rate
