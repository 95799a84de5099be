"""Soaks and spikes: drift, leaks and recovery, of which the truth is known."""

import json

import numpy as np
import pytest

from analysis.capacity.conclusion import Result
from analysis.capacity.endurance import cut_short, soak, spike
from analysis.capacity.endurance_report import render, to_json
from analysis.capacity.objectives import with_defaults
from analysis.capacity.steps import Judged, NextStep, Purpose, judge
from run_record.load_report.report import Window, encoded, new_histogram
from tests.analysis.capacity.simulated import step

OBJECTIVES = with_defaults([])


def window(second: int, ms: float, failed: int = 0) -> Window:
    histogram = new_histogram()
    for position in range(100):
        histogram.record_value(int(ms * 1000 * (0.5 + position / 200)))
    return Window(second, 100, 100, 100, accepted=100 - failed, failed=failed, latency=encoded(histogram))


def judged(seconds: int, purpose: Purpose = Purpose.SOAK) -> Judged:
    return judge(step(NextStep(purpose, 100, seconds), limit=1000), OBJECTIVES)


def noisy(seconds: int, growth: float, seed: int = 1) -> list[Window]:
    noise = np.random.default_rng(seed).normal(1, 0.1, seconds)
    return [window(second, (40 + growth * second / seconds) * noise[second]) for second in range(seconds)]


def memory(seconds: int, growth: float) -> list[tuple[float, float]]:
    noise = np.random.default_rng(2).normal(0, 1e6, seconds)
    return [(float(second), 100e6 + growth * second / seconds + float(noise[second])) for second in range(seconds)]


def test_a_steady_soak_passes() -> None:
    result = soak(judged(200), noisy(200, 0), memory(200, 0))
    assert result.result is Result.PASS
    assert [trend.grows for trend in result.trends] == [False, False]
    assert all(trend.an_hour.low <= 0 <= trend.an_hour.high for trend in result.trends)


def test_latency_that_drifts_fails() -> None:
    result = soak(judged(200), noisy(200, 40), [])
    assert result.result is Result.FAIL
    [trend] = result.trends
    assert trend.growth == pytest.approx(40, rel=0.25)
    assert "p99 of latency grew by" in result.sentence


def test_a_leak_fails() -> None:
    result = soak(judged(200), noisy(200, 0), memory(200, 50e6))
    assert result.result is Result.FAIL
    leak = result.trends[1]
    assert leak.an_hour.value == pytest.approx(50e6 * 3600 / 200, rel=0.1)
    assert leak.an_hour.low <= leak.an_hour.value <= leak.an_hour.high
    assert "memory of the server grew by" in result.sentence


def test_growth_that_does_not_matter_is_no_leak() -> None:
    assert soak(judged(200), noisy(200, 0), memory(200, 6e6)).result is Result.PASS


def test_a_soak_that_is_too_short_proves_nothing() -> None:
    assert soak(judged(5), noisy(5, 0), []).result is Result.INCONCLUSIVE


def test_a_soak_cut_short_is_kept_and_inconclusive() -> None:
    result = cut_short(soak(judged(200), noisy(200, 0), []))
    assert result.result is Result.INCONCLUSIVE
    assert "200 s" in result.sentence


@pytest.mark.parametrize(
    ("slow_for", "within", "result", "recovery"),
    [(0, 30, Result.PASS, 0), (4, 30, Result.PASS, 4), (12, 10, Result.FAIL, 12), (40, 30, Result.FAIL, None)],
)
def test_recovery_counts_from_spike_end(slow_for: int, within: int, result: Result, recovery: int | None) -> None:
    slow = range(20, 30 + slow_for)
    windows = [window(second, 900 if second in slow else 20) for second in range(60)]
    outcome = spike(judged(60, Purpose.SPIKE), windows, OBJECTIVES, (20, 30), within)
    assert (outcome.result, outcome.recovery_s) == (result, recovery)


def test_one_good_second_is_no_recovery() -> None:
    windows = [window(second, 900 if second < 40 and second != 33 else 20) for second in range(60)]
    assert spike(judged(60), windows, OBJECTIVES, (20, 30), 30).recovery_s == 10


def test_errors_count_as_well_as_latency() -> None:
    windows = [window(second, 20, failed=5 if second < 36 else 0) for second in range(60)]
    assert spike(judged(60), windows, OBJECTIVES, (20, 30), 30).recovery_s == 6


def test_a_spike_that_is_not_noticed() -> None:
    result = spike(judged(60), [window(second, 20) for second in range(60)], OBJECTIVES, (20, 30), 30)
    assert result.result is Result.PASS
    assert result.recovery_s == 0


def test_page_and_json_say_the_same() -> None:
    result = soak(judged(200), noisy(200, 40), memory(200, 0))
    setting: dict[str, object] = {"target": "local", "rate": 100}
    page, content = render(result, "soak-1", setting, "dogfood capacity soak"), json.loads(to_json(result, setting))
    assert content["sentence"] in page
    assert content["result"] == "FAIL"
    for trend in content["trends"]:
        assert f"{trend['an_hour']['value']:+,.1f}" in page
    assert len(content["timeline"]) == 200
