"""Events that the client sent wrongly are a fault of the instrument, with any table."""

from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.verdict import CheckStatus, Layer, Verdict
from contracts.generation import Generation
from tests.analysis.checks.test_wiki import wiki_run
from tests.analysis.runs import Event, check


def nameless(event: Event) -> None:
    del event["instrument_name"]


def other_schema(event: Event) -> None:
    event["$schema"] = "/analytics/product_metrics/web/base/1.3.1"


def no_position(event: Event) -> None:
    del event["funnel_event_sequence_position"]


def late_start(event: Event) -> None:
    event["funnel_event_sequence_position"] = 2


def only_click(event: Event) -> None:
    event["action"] = "click"


def no_funnel(event: Event) -> None:
    del event["funnel_entry_token"]


def not_asked_for(event: Event) -> None:
    event["performer"]["is_bot"] = False


def other_stream(event: Event) -> None:
    event["meta"]["stream"] = "product_metrics.elsewhere"


@pytest.mark.parametrize(
    ("change", "name", "layer"),
    [
        (nameless, "names", Layer.INSTRUMENT),
        (other_schema, "names", Layer.INSTRUMENT),
        (no_position, "funnel", Layer.INSTRUMENT),
        (late_start, "funnel", Layer.INSTRUMENT),
        (only_click, "funnel", Layer.INSTRUMENT),
        (no_funnel, "funnel", Layer.INSTRUMENT),
        (not_asked_for, "attributes", Layer.INSTRUMENT),
        (other_stream, "stream", Layer.STREAM),
    ],
)
def test_wrongly_sent_events_fail(tmp_path: Path, change: Callable[[Event], None], name: str, layer: Layer) -> None:
    run = wiki_run(tmp_path)
    for event in run.events:
        change(event)
    analysis = run.judge()
    result = check(analysis, name)
    assert (analysis.verdict, result.status, result.layer) == (Verdict.NO_GO, CheckStatus.FAIL, layer)


def test_a_subject_in_two_groups_is_called(tmp_path: Path) -> None:
    run = wiki_run(tmp_path, Generation.XLAB)
    again = {**run.events[0], "funnel_entry_token": "a" * 20, "experiment": dict(run.events[0]["experiment"])}
    groups = {event["experiment"]["assigned"] for event in run.events}
    again["experiment"]["assigned"] = (groups - {again["experiment"]["assigned"]}).pop()
    run.events.append(again)
    result = check(run.judge(), "stickiness")
    assert (result.status, result.layer, result.statistic) == (CheckStatus.FAIL, Layer.ASSIGNMENT, 1)
