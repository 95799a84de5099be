import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from personas.pacing import Pace, Pacer, PacingError, parse_rate, parse_shape
from personas.pacing.interleave import Interleaving, ranks

SHAPES = (
    "constant", "ramp:60s", "ramp:0.5-3,20s", "ramp:2-0.1,10s", "steps:0.25,0.5,1,10s", "steps:2,0,1,5s",
    "spike:10,20s,5s", "diurnal:2min", "diurnal:60s,0.9",
)  # fmt: skip

shapes = st.sampled_from(SHAPES).map(parse_shape)
pacers = st.builds(
    Pacer, st.floats(0.5, 20_000), shapes, st.sampled_from(list(Pace)), st.integers(0, 2**63 - 1)
)  # fmt: skip


@given(pacers, st.integers(0, 100_000), st.integers(0, 3000))
def test_times_rise_and_do_not_depend_on_the_batch(pacer: Pacer, first: int, count: int) -> None:
    times = pacer.times_us(first, count)
    assert len(times) == count
    assert (np.diff(times) >= 0).all()
    half = count // 2
    assert np.array_equal(
        times, np.concatenate([pacer.times_us(first, half), pacer.times_us(first + half, count - half)])
    )


@given(pacers, st.floats(0, 200))
def test_count_before_is_the_next_arrivals_number(pacer: Pacer, seconds: float) -> None:
    end = int(seconds * 1e6)
    count = pacer.count_before(end)
    assert int(pacer.times_us(count, 1)[0]) >= end
    assert count == 0 or int(pacer.times_us(count - 1, 1)[0]) < end


@given(shapes, st.lists(st.floats(0, 500), min_size=1, max_size=50))
def test_inverse_undoes_the_area(shape, areas: list[float]) -> None:  # type: ignore[no-untyped-def]
    """The area up to the inverse equals the sum of the level in small steps."""
    for area in areas[:3]:
        [end] = shape.inverse(np.array([area]))
        grid = np.linspace(0, float(end), 4001)
        middle = (grid[1:] + grid[:-1]) / 2
        summed = float(np.sum([shape.level(second) for second in middle])) * float(end) / 4000
        assert summed == pytest.approx(area, rel=0.02, abs=0.1)


@pytest.mark.parametrize("pace", list(Pace))
@pytest.mark.parametrize("text", SHAPES)
def test_rates_are_within_one_percent(text: str, pace: Pace) -> None:
    shape = parse_shape(text)
    pacer = Pacer(20_000.0, shape, pace, 5)
    # A multiple of every period, and behind every ramp.
    for begin, end in ((0, 120), (120, 240)):
        seconds = np.linspace(begin, end, 120_001)
        middle = (seconds[1:] + seconds[:-1]) / 2
        wanted = 20_000 * float(np.mean([shape.level(float(second)) for second in middle[::10]])) * (end - begin)
        value = pacer.count_before(end * 1_000_000) - pacer.count_before(begin * 1_000_000)
        assert value == pytest.approx(wanted, rel=0.01)


def test_a_constant_pace_is_even_to_the_microsecond() -> None:
    times = Pacer(100.0, parse_shape("constant")).times_us(0, 2000)
    assert times.tolist() == list(range(0, 20_000_000, 10_000))


@pytest.mark.parametrize("seed", range(10))
def test_poisson_arrivals_pass_dispersion_and_ks_tests(seed: int) -> None:
    times = Pacer(1000.0, parse_shape("constant"), Pace.POISSON, seed).times_us(0, 100_000)
    gaps = np.diff(times) / 1000
    assert stats.kstest(gaps, "expon").pvalue > 0.001
    counts = np.bincount(times // 100_000)[:-1]
    # The index of dispersion: (n - 1) s²/mean is chi-squared for a Poisson process.
    low, high = (float(stats.chi2.ppf(share, len(counts) - 1)) for share in (0.0005, 0.9995))
    assert low < (len(counts) - 1) * counts.var(ddof=1) / counts.mean() < high


def test_constant_arrivals_fail_the_poisson_tests() -> None:
    times = Pacer(1000.0, parse_shape("constant")).times_us(0, 100_000)
    counts = np.bincount(times // 100_000)[:-1]
    assert counts.var(ddof=1) / counts.mean() < 0.01
    assert stats.kstest(np.diff(times) / 1000, "expon").pvalue < 1e-6


def test_a_changing_rate_is_a_time_change() -> None:
    shape = parse_shape("ramp:60s")
    times = Pacer(2000.0, shape, Pace.POISSON, 3).times_us(0, 50_000) / 1e6
    # The area under a ramp of 60 s from 0 to 2000/s by t is 2000 t²/120.
    sums = 2000 * times[times < 60] ** 2 / 120
    assert stats.kstest(np.diff(sums), "expon").pvalue > 0.001


def test_seeds_differ_and_are_the_same_again() -> None:
    one, other = (Pacer(100.0, parse_shape("constant"), Pace.POISSON, seed).times_us(0, 500) for seed in (1, 2))
    assert not np.array_equal(one, other)
    assert np.array_equal(one, Pacer(100.0, parse_shape("constant"), Pace.POISSON, 1).times_us(0, 500))


@pytest.mark.parametrize(
    ("text", "rate"), [("200", 200), ("500/s", 500), ("30/min", 0.5), ("0.5/s", 0.5), ("36/h", 0.01)]
)
def test_rates_are_read_with_their_unit(text: str, rate: float) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "0", "-1", "fast", "10/day", "1e3", "nan", "inf"])
def test_an_invalid_rate_is_one_clear_line(text: str) -> None:
    with pytest.raises(PacingError, match="write it like 500"):
        parse_rate(text)


@pytest.mark.parametrize(
    "text",
    ["", "sawtooth", "ramp", "ramp:0s", "ramp:1,2,3s", "ramp:1-0,5s", "ramp:1-2-3,5s", "steps:5s", "steps:1,0,5s",
     "spike:2", "spike:2,5s", "spike:a,5s,5s", "diurnal", "diurnal:24h,1", "diurnal:24h,0.1,3", "constant:1"],
)  # fmt: skip
def test_an_invalid_shape_is_one_clear_line(text: str) -> None:
    with pytest.raises(PacingError, match="levels are multiples of the rate"):
        parse_shape(text)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=16).map(tuple))
def test_ranks_interleave_the_blocks_of_a_round(counts: tuple[int, ...]) -> None:
    dealt = sorted(
        (int(rank), position, index)
        for position in range(len(counts))
        for index, rank in enumerate(ranks(counts, position))
    )
    assert [rank for rank, _, _ in dealt] == list(range(sum(counts)))
    assert [(index, position) for _, position, index in dealt] == sorted(
        (index, position) for _, position, index in dealt
    )


def test_blocks_without_events_are_an_error() -> None:
    assert Interleaving(2, lambda block: 10).blocks_for(41) == 6
    with pytest.raises(PacingError, match="nothing to pace"):
        Interleaving(2, lambda block: 0).blocks_for(1)
