"""Where lost events were seen last, and the layer that follows from it."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.analyse import Analysis, analyse
from analysis.summaries.loss_location import STREAMS
from analysis.verdict import CheckStatus, Layer, Verdict
from common.errors import DogfoodError
from contracts.intake import EventOutcome
from tests.analysis.runs import Event, MadeUp, answered, check, failed, make_run

OWN, OTHER = "eqiad.product_metrics.web_base", "eqiad.product_metrics.web_base_other"


def keep_streams(run: MadeUp, where: dict[str, list[Event]]) -> None:
    rows = [
        (topic, event["meta"]["id"], event["meta"]["dt"][:13]) for topic, events in where.items() for event in events
    ]
    columns: dict[str, list[str]] = {
        "topic": [row[0] for row in rows],
        "id": [row[1] for row in rows],
        "funnel": ["" for _ in rows],
        "hour_start": [row[2] for row in rows],
    }
    canary = pa.array([event["meta"].get("domain") == "canary" for events in where.values() for event in events])
    table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    pq.write_table(table.append_column("canary", canary), run.folder / STREAMS)


def judged(folder: Path, where: str, *, hasty: bool) -> Analysis:
    """Return the analysis of a run whose every tenth event did not land, and was seen last *where*."""
    change = answered(202, EventOutcome.INDETERMINATE, 1) if hasty else answered(201, EventOutcome.OK, 1)
    run = make_run(folder, change=change, hasty=hasty)
    lost = run.events[::10]
    landed = [event for number, event in enumerate(run.events) if number % 10]
    keep_streams(run, {OWN: landed, **({where: landed + lost if where == OWN else lost} if where else {})})
    run.land(landed)
    return analyse(folder)


@pytest.mark.parametrize("hasty", [True, False])
@pytest.mark.parametrize(
    ("where", "layer", "word"),
    [
        (OWN, Layer.TABLE, "in the stream and not in the table"),
        (OTHER, Layer.STREAM, OTHER),
        ("", Layer.INTAKE, "in no stream"),
    ],
)
def test_location_of_lost_events_decides_the_layer(
    tmp_path: Path, where: str, layer: Layer, word: str, hasty: bool
) -> None:
    result = judged(tmp_path, where, hasty=hasty)
    lost = check(result, "lost")
    assert (result.verdict, result.layer, lost.layer) == (Verdict.NO_GO, layer, layer)
    assert word in lost.summary
    assert (check(result, "stream").status is CheckStatus.FAIL) == (where == OTHER)


def test_a_partition_that_has_not_come_is_told(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    keep_streams(run, {OWN: run.events})
    run.land([])
    analysis = analyse(tmp_path)
    assert analysis.layer is Layer.TABLE
    assert "2025-01-31T14:00 UTC" in check(analysis, "lost").summary


def test_a_clean_run_with_its_streams_is_go(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    keep_streams(run, {OWN: run.events})
    run.land()
    assert failed(analyse(tmp_path)) == set()


def test_unreadable_streams_are_one_line(tmp_path: Path) -> None:
    run = make_run(tmp_path, visitors=50)
    run.land()
    for content in (b"PAR1 half", b""):
        (tmp_path / STREAMS).write_bytes(content)
        with pytest.raises(DogfoodError, match=r"streams\.parquet cannot be read") as caught:
            analyse(tmp_path)
        assert "\n" not in str(caught.value)
    pq.write_table(pa.table({"topic": ["x"]}), tmp_path / STREAMS)
    with pytest.raises(DogfoodError, match="lacks the columns canary, funnel, hour_start, id"):
        analyse(tmp_path)


def test_canaries_of_the_stream_are_counted(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    canaries = [{**event, "meta": {**event["meta"], "domain": "canary"}} for event in run.events[:3]]
    keep_streams(run, {OWN: run.events + canaries[:2], OTHER: canaries[2:]})
    run.land()
    result = check(analyse(tmp_path), "canaries")
    assert result.status is CheckStatus.PASS
    assert result.evidence["streamed"] == [{"topic": OWN, "events": 2, "hours": 1}]
    keep_streams(run, {OWN: run.events})
    assert check(analyse(tmp_path), "canaries").evidence["streamed"] == []
