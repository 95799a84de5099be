"""What each group lost: the counts of the rows, with the intervals of statsmodels."""

import copy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats import proportion  # type: ignore[import-untyped]

from analysis.analyse import analyse
from analysis.statistics import newcombe
from analysis.summaries.losses import of_counts
from analysis.summaries.segments import SegmentCount, outlier_segments
from tests.analysis.runs import make_run


def rows(*counts: tuple[int, int]) -> list[dict[str, object]]:
    return [
        {"group_name": f"g{i}", "subjects": n, "losing_subjects": k, "sent_events": 3 * n, "lost_events": 2 * k}
        for i, (k, n) in enumerate(counts)
    ]


@st.composite
def parts(draw: st.DrawFn) -> tuple[int, int]:
    total = draw(st.integers(1, 50_000))
    return draw(st.integers(0, total)), total


@given(parts(), parts(), parts())
def test_intervals_are_those_of_scipy_and_statsmodels(
    one: tuple[int, int], other: tuple[int, int], third: tuple[int, int]
) -> None:
    counts = [one, other, third]
    for (count, total), loss in zip(counts, of_counts(("g0", "g1", "g2"), rows(*counts)), strict=True):
        peer = stats.binomtest(count, total).proportion_ci(method="wilson")
        assert (loss.low, loss.high) == pytest.approx((peer.low, peer.high), abs=1e-9)
        wilson = proportion.proportion_confint(count, total, method="wilson")
        assert (loss.low, loss.high) == pytest.approx(wilson, abs=1e-9)
        rest = [sum(values) - mine for values, mine in zip(zip(*counts, strict=True), (count, total), strict=True)]
        apart = proportion.confint_proportions_2indep(count, total, *rest, method="newcomb", compare="diff")
        assert (loss.difference_low, loss.difference_high) == pytest.approx(apart, abs=1e-9)
        assert loss.difference == pytest.approx(count / total - rest[0] / rest[1])


def test_group_without_events_has_no_loss() -> None:
    nothing, alone = of_counts(("none", "g0"), rows((3, 40)))
    assert (nothing.subjects, nothing.share, nothing.low, nothing.high) == (0, 0, 0, 1)
    assert (nothing.difference, alone.difference, alone.difference_low) == (None, None, None)
    assert (alone.sent_events, alone.lost_events, alone.losing_share) == (120, 6, 3 / 40)


def test_group_loss_matches_its_rows(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    mine = [event for event in run.events if "true" in event["experiments"]["assigned"].values()]
    names = {event["meta"]["id"] for event in mine[::20]}
    run.land([event for event in copy.deepcopy(run.events) if event["meta"]["id"] not in names])
    spared, hit = sorted(analyse(tmp_path).losses, key=lambda loss: loss.group)
    assert (hit.group, hit.sent_events, hit.lost_events) == ("true", len(mine), len(names))
    losers = {event["performer"]["id"] for event in mine[::20]}
    assert (hit.losing_subjects, hit.subjects) == (len(losers), len({event["performer"]["id"] for event in mine}))
    assert hit.low < hit.losing_share < hit.high
    assert hit.difference_low is not None
    assert hit.difference_low > 0
    assert (spared.lost_events, spared.losing_share, spared.low) == (0, 0, 0)
    assert spared.high == pytest.approx(1.959964**2 / (spared.subjects + 1.959964**2), rel=1e-6)


def _segments(sizes: list[int], losing: list[bool]) -> tuple[SegmentCount, ...]:
    """Return two segments of subjects with *sizes* events: in one, *losing* subjects lost all; in the other, none."""
    sent, squared = sum(sizes), sum(size * size for size in sizes)
    lost = sum(size for size, is_losing in zip(sizes, losing, strict=True) if is_losing)
    return tuple(
        SegmentCount("skin", value, "true", len(sizes), len(sizes), sent, count, squared)
        for value, count in (("hit", lost), ("spared", 0))
    )


@given(st.integers(60, 400), st.integers(20, 60), st.integers(1, 9))
def test_segment_is_tested_by_its_subjects(subjects: int, losing: int, events: int) -> None:
    items = [position < losing for position in range(subjects)]
    result = outlier_segments(_segments([events] * subjects, items))
    assert result == outlier_segments(_segments([1] * subjects, items))
    for item in result:
        assert (item.dimension, item.value, item.share, item.rest) == ("skin", "hit", losing / subjects, 0.0)
        assert (item.low, item.high) == newcombe(losing, subjects, 0, subjects)


def test_one_heavy_subject_is_not_an_outlier() -> None:
    sizes = [100, *[1] * 400]
    assert not outlier_segments(_segments(sizes, [True, *[False] * 400]))
    assert outlier_segments(_segments([1] * 500, [*[True] * 100, *[False] * 400]))
