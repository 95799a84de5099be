"""Segments that only rows name: browser and data centre."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.analyse import Analysis, analyse
from analysis.run_model.row_sources import browser_of
from analysis.verdict import CheckStatus, Layer, Verdict
from contracts.table import rows_of
from tests.analysis.runs import Event, MadeUp, check, failed, make_run

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/132.0.0.0 Safari/537.36"


@pytest.mark.parametrize(
    ("user_agent", "browser"),
    [
        (FIREFOX, "Firefox 128"),
        (CHROME, "Chrome 132"),
        (CHROME.replace("Chrome/", "HeadlessChrome/"), "HeadlessChrome 132"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/17.5 Mobile/15E148 Safari/604.1",
            "Mobile Safari 17",
        ),
        ("Tester/1", "other"),
        ("", "other"),
    ],
)
def test_browser_is_family_and_major_version(user_agent: str, browser: str) -> None:
    assert browser_of(user_agent) == browser


def set_user_agents(events: list[Event]) -> None:
    for event in events:
        agent = FIREFOX if event["performer"]["id"] % 2 else CHROME
        event["http"] = {"request_headers": {"user-agent": agent}}


def is_firefox(event: Event) -> bool:
    return bool(event["http"]["request_headers"]["user-agent"] == FIREFOX)


def count_events(analysis: Analysis, dimension: str) -> dict[str, tuple[int, int]]:
    """Return the sent and lost events of each segment of *dimension*."""
    totals: dict[str, tuple[int, int]] = {}
    for item in analysis.segments:
        if item.dimension == dimension:
            sent, lost = totals.get(item.value, (0, 0))
            totals[item.value] = (sent + item.sent_events, lost + item.lost_events)
    return totals


def test_loss_in_one_browser_is_named(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    set_user_agents(run.events)
    lost_ids = {event["meta"]["id"] for event in [event for event in run.events if is_firefox(event)][::5]}
    run.land([event for event in run.events if event["meta"]["id"] not in lost_ids])
    analysis = analyse(tmp_path)
    result = check(analysis, "lost")
    assert "where browser is 'Firefox 128'" in result.summary
    segments = count_events(analysis, "browser")
    assert set(segments) == {"Firefox 128", "Chrome 132"}
    assert segments["Chrome 132"][1] == 0
    # The browser of a visit without landed events is unknown.
    assert 0 < segments["Firefox 128"][1] <= len(lost_ids)


def test_group_missing_in_one_browser_is_a_loss(tmp_path: Path) -> None:
    run = make_run(tmp_path, visitors=3_000)
    set_user_agents(run.events)
    run.land(
        [
            event
            for event in run.events
            if not is_firefox(event)
            or "true" not in event["experiments"]["assigned"].values()
            or event["performer"]["id"] % 3 == 0
        ]
    )
    analysis = analyse(tmp_path)
    result = check(analysis, "segments")
    off = result.evidence["off"]
    assert ("browser", "Firefox 128") in [(item["dimension"], item["value"]) for item in off]  # type: ignore[attr-defined]
    assert (result.status, result.layer, analysis.layer) == (CheckStatus.FAIL, Layer.TABLE, Layer.TABLE)


def land_in_two_data_centres(run: MadeUp, keep: Callable[[int], bool]) -> Analysis:
    """Judge *run* with subjects of odd ids landed in codfw, and only the events to *keep* there."""
    for name, rest in (("eqiad", 0), ("codfw", 1)):
        events = [event for event in run.events if event["performer"]["id"] % 2 == rest]
        kept = [event for number, event in enumerate(events) if name == "eqiad" or keep(number)]
        hour = run.folder / "table" / f"datacenter={name}" / "year=2025" / "month=1" / "day=31" / "hour=14"
        hour.mkdir(parents=True)
        table = rows_of([orjson.dumps(event) for event in kept], duckdb.connect())
        pq.write_table(table, hour / "part.parquet")
    return analyse(run.folder, [run.folder / "table"])


def test_data_centres_are_segments(tmp_path: Path) -> None:
    clean = land_in_two_data_centres(make_run(tmp_path / "clean"), lambda number: True)
    assert clean.verdict is Verdict.GO
    assert set(count_events(clean, "data centre")) == {"eqiad", "codfw"}
    lossy = land_in_two_data_centres(make_run(tmp_path / "lossy"), lambda number: number % 5 > 0)
    assert failed(lossy) == {"lost"}
    assert "where data centre is 'codfw'" in lossy.sentence
    assert count_events(lossy, "data centre")["eqiad"][1] == 0


def test_data_centre_column_is_read(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.land()
    rows = run.rows()
    names = pa.array(["codfw" if number % 2 else "eqiad" for number in range(len(rows))])
    pq.write_table(rows.append_column("datacenter", names), run.folder / "observed" / "rows.parquet")
    assert set(count_events(analyse(tmp_path), "data centre")) == {"eqiad", "codfw"}
