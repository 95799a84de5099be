from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from run_record.load_report.machine_usage import Machine
from run_record.load_report.report import (
    FILE_NAME,
    Lag,
    LoadError,
    LoadReport,
    Percentiles,
    Window,
    WorkerLoad,
    encoded,
    merged,
    new_histogram,
    percentiles,
)


def load() -> LoadReport:
    histogram = new_histogram()
    histogram.record_value(2_000_000, 10)
    text = encoded(histogram)
    return LoadReport(
        offered=11, sent=10, answered=10, late=3, dropped=1, requests=10, accepted=9, errors={"500": 1},
        event_rate=100.0, arrival_rate=0.0, pace="constant", shape="constant", seconds=0.11,
        latency_ms=percentiles(histogram), service_ms=percentiles(histogram), lag_ms=Lag(0.1, 0.2, 0.3),
        workers=(WorkerLoad("worker-0-1", "here", 11, 10, 10, 0.2, 0.3, alive=True),), workers_needed=None,
        invalid=(), windows=(Window(0, 11, 10, 10, 3, 1, 9, 1, text, text),), latency=text, service=text,
    )  # fmt: skip


def test_a_load_report_is_read_back(tmp_path: Path) -> None:
    created = load()
    created.write(tmp_path)
    assert LoadReport.read(tmp_path) == created
    assert created.latency_ms.p50 == pytest.approx(2000, rel=0.001)


def test_the_machine_is_read_back(tmp_path: Path) -> None:
    machine = Machine(2, 3.5, 25.0, 0.01, 1.9, {"locust": 0.1, "sender": 0.03})
    replace(load(), machine=machine).write(tmp_path)
    assert LoadReport.read(tmp_path).machine == machine
    LoadReport.nothing(machine).write(tmp_path)
    assert LoadReport.read(tmp_path) == LoadReport.nothing(machine)
    assert not LoadReport.read(tmp_path).has_generator


def test_a_load_without_the_machine_can_be_read(tmp_path: Path) -> None:
    load().write(tmp_path)
    content = orjson.loads((tmp_path / FILE_NAME).read_bytes())
    del content["machine"]
    (tmp_path / FILE_NAME).write_bytes(orjson.dumps(content))
    assert LoadReport.read(tmp_path) == load()


def test_a_run_without_load_report_raises(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"has no load\.json"):
        LoadReport.read(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", '{"offered": 1}'])
def test_a_damaged_load_is_an_error_in_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE_NAME).write_text(content)
    with pytest.raises(LoadError, match=r"load\.json"):
        LoadReport.read(tmp_path)


def test_a_field_of_the_wrong_type_is_named(tmp_path: Path) -> None:
    replace(load(), lag_ms={"p50": "1"}).write(tmp_path)  # type: ignore[arg-type]
    with pytest.raises(LoadError, match=r"lag_ms\.p50: expected `float`"):
        LoadReport.read(tmp_path)


@given(st.lists(st.lists(st.integers(1, 3_000_000_000), max_size=30), max_size=5))
def test_merged_histograms_equal_one_histogram(parts: list[list[int]]) -> None:
    whole = new_histogram()
    encodings = []
    for part in parts:
        one = new_histogram()
        for value in part:
            one.record_value(value)
            whole.record_value(value)
        encodings.append(encoded(one))
    result = merged(encodings)
    assert result.total_count == whole.total_count == sum(map(len, parts))
    assert percentiles(result) == percentiles(whole)
    exact = sorted(value for part in parts for value in part)
    if exact:
        assert percentiles(result).max == pytest.approx(exact[-1] / 1000, rel=0.001)
        assert percentiles(result).p50 == pytest.approx(exact[(len(exact) - 1) // 2] / 1000, rel=0.001)


def test_an_empty_histogram_has_zero_percentiles() -> None:
    assert percentiles(new_histogram()) == Percentiles()
    assert encoded(new_histogram()) == ""
