"""The fault catalogue: it is complete, and each fault has a switch with the described effect."""

import asyncio
import re
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.schemas import WEB_BASE_1_3_0, SchemaRegistry
from testbed.faults import FAULTS, FaultLocation, UnknownFaultError, choose, choose_at
from testbed.intake import intake_faults
from testbed.intake.eventgate import Request, fill
from testbed.intake.intake_faults import IntakeParts
from testbed.stream.segments import SegmentReader, SegmentWriter
from testbed.table import ingest_faults
from testbed.table.ingest import ingest
from testbed.table.ingest_rules import Rules
from testbed.wiki.wiki_faults import EDITS, EditError, extension_with
from tests.contract_samples import contract_path
from tests.wikis import need

EXTENSION = Path(__file__).resolve().parents[2] / "testbed" / "wiki" / "extension"
TOPIC = "eqiad.product_metrics.web_base"


def event(number: int, group: str = "true", user: int = 1, **fields: object) -> dict[str, Any]:
    return {
        "$schema": WEB_BASE_1_3_0,
        "meta": {"stream": "product_metrics.web_base", "domain": "test", "id": f"id-{number}"},
        "dt": "2025-01-31T14:30:00.000Z",
        "action": "impression",
        "agent": {"client_platform": "mediawiki_js", "client_platform_family": "desktop_browser"},
        "funnel_entry_token": f"{number:020x}",
        "funnel_event_sequence_position": 1,
        "performer": {"id": user},
        "experiments": {"enrolled": ["e"], "assigned": {"f": group}},
        **fields,
    }


class MemoryProducer:
    """A stream in memory."""

    def __init__(self) -> None:
        self.events: dict[str, list[bytes]] = {}

    async def produce(self, topic: str, events: Sequence[bytes]) -> Mapping[int, str]:
        assert events
        self.events.setdefault(topic, []).extend(events)
        return {}

    def close(self) -> None:
        self.events.clear()


def produce(parts: IntakeParts, topic: str, events: Sequence[bytes]) -> Mapping[int, str]:
    return asyncio.run(parts.producer.produce(topic, events))


def faulty_parts(*faults: str) -> tuple[IntakeParts, MemoryProducer]:
    producer = MemoryProducer()
    return intake_faults.inject(IntakeParts(SchemaRegistry(), fill, producer), faults), producer


def test_the_catalogue_matches_the_specification() -> None:
    path = contract_path("README.md").parent.parent / "faults.md"
    rows = re.findall(r"^\| ([a-z-]+) \| ([a-z]+) \|", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert [(fault.id, fault.layer) for fault in FAULTS] == [row for row in rows if row[0] != "id"]


def test_every_fault_is_switched_in_its_location() -> None:
    switches = {
        FaultLocation.WIKI: set(EDITS),
        FaultLocation.INTAKE: set(intake_faults._SWITCHES),
        FaultLocation.TABLE: set(ingest_faults._SWITCHES),
    }
    for location, names in switches.items():
        assert names == {fault.id for fault in FAULTS if fault.location is location}


def test_faults_are_chosen_by_name_and_location() -> None:
    assert [fault.id for fault in choose(["modulo,canary-kept", "modulo"])] == ["modulo", "canary-kept"]
    assert choose_at(FaultLocation.TABLE, ["modulo,canary-kept"]) == ("canary-kept",)
    with pytest.raises(UnknownFaultError, match="no fault 'gremlins'"):
        choose(["gremlins"])


@pytest.mark.parametrize("fault", sorted(EDITS))
def test_edits_of_the_extension_fit_and_parse(tmp_path: Path, fault: str) -> None:
    need("php")
    copy = extension_with(EXTENSION, [fault], tmp_path)
    changed = [
        path
        for path in copy.rglob("*")
        if path.is_file() and path.read_bytes() != (EXTENSION / path.relative_to(copy)).read_bytes()
    ]
    assert {str(path.relative_to(copy)) for path in changed} == {edit.file for edit in EDITS[fault]}
    for path in (path for path in changed if path.suffix == ".php"):
        done = subprocess.run(["php", "-l", str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
    # The same faults give the same copy.
    assert extension_with(EXTENSION, [fault], tmp_path) == copy


def test_without_wiki_faults_the_extension_is_not_copied(tmp_path: Path) -> None:
    assert extension_with(EXTENSION, ["canary-kept"], tmp_path) == EXTENSION
    assert extension_with(EXTENSION, ["modulo", "double-sampling"], tmp_path) != EXTENSION


def test_faults_with_conflicting_edits_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(EditError, match="stale-config does not fit"):
        extension_with(EXTENSION, ["mpic-malformed", "stale-config"], tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_share_of_valid_events_is_rejected() -> None:
    parts, _ = faulty_parts("hasty-invalid")
    complete = []
    for number in range(2000):
        one = event(number)
        parts.fill(one, "2025-01-31T14:30:01.000Z", Request("", "r"))
        complete.append(one)
    refused = sum(bool(parts.schemas.validate(one)) for one in complete)
    assert 60 < refused < 140
    assert not any(SchemaRegistry().validate(one) for one in complete)


def test_only_the_receive_time_is_not_filled_in() -> None:
    parts, _ = faulty_parts("no-meta-dt")
    one = event(1)
    parts.fill(one, "2025-01-31T14:30:01.000Z", Request("Agent/1", "r"))
    assert "dt" not in one["meta"]
    assert one["meta"]["request_id"] == "r"
    message = event(2)
    message["meta"]["dt"] = "2025-01-31T14:00:00.000Z"
    parts.fill(message, "2025-01-31T14:30:01.000Z", Request("", "r"))
    assert message["meta"]["dt"] == "2025-01-31T14:00:00.000Z"


@given(st.lists(st.integers(1, 40), min_size=1, max_size=200))
def test_dropped_events_do_not_depend_on_batches(sizes: list[int]) -> None:
    parts, kept = faulty_parts("silent-intake")
    number = 0
    for size in sizes:
        produce(parts, TOPIC, [b"%d" % (number + position) for position in range(size)])
        number += size
    silent = range(intake_faults._SILENT_FROM, intake_faults._SILENT_UNTIL)
    assert kept.events.get(TOPIC, []) == [b"%d" % count for count in range(number) if count not in silent]


def test_events_are_misrouted_but_not_error_reports() -> None:
    parts, kept = faulty_parts("wrong-stream")
    produce(parts, TOPIC, [b"{}"])
    produce(parts, "eqiad.eventgate-analytics-external.error.validation", [b"{}"])
    assert set(kept.events) == {f"{TOPIC}_other", "eqiad.eventgate-analytics-external.error.validation"}


def test_half_of_the_duplicates_have_new_ids() -> None:
    parts, kept = faulty_parts("duplicates")
    for number in range(2000):
        produce(parts, TOPIC, [orjson.dumps(event(number))])
    ids = Counter(orjson.loads(line)["meta"]["id"] for line in kept.events[TOPIC])
    again = sum(count == 2 for count in ids.values())
    renamed = sum(not name.startswith("id-") for name in ids)
    assert 10 < again < 60
    assert 10 < renamed < 60
    assert len(kept.events[TOPIC]) == 2000 + again + renamed


def test_faults_can_be_combined() -> None:
    parts, kept = faulty_parts("wrong-stream", "silent-intake")
    produce(parts, TOPIC, [b"%d" % count for count in range(3000)])
    silent = intake_faults._SILENT_UNTIL - intake_faults._SILENT_FROM
    assert len(kept.events[f"{TOPIC}_other"]) == 3000 - silent


def rules(*faults: str) -> Rules:
    return ingest_faults.inject(Rules(), faults)


def lines(*events: dict[str, Any]) -> list[bytes]:
    return [orjson.dumps(one) for one in events]


def test_groups_are_truncated_in_both_generations() -> None:
    xlab = event(2, experiment={"assigned": "control", "subject_id": "s"})
    del xlab["experiments"]
    first, second = map(orjson.loads, rules("truncated-group").change(lines(event(1), xlab)))
    assert first["experiments"]["assigned"] == {"f": "tru"}
    assert second["experiment"]["assigned"] == "contro"
    assert first["meta"] == event(1)["meta"]


def test_the_bot_threshold_depends_on_the_group() -> None:
    events = [event(number, group, user) for user, group in ((1, "true"), (2, "false")) for number in range(8)]
    kept = [orjson.loads(line)["performer"]["id"] for line in rules("bot-filter").change(lines(*events))]
    assert kept == [2] * 8


def ingested(folder: Path, *faults: str, events: list[dict[str, Any]]) -> list[int]:
    """Return the number of rows that each of two ingestions writes, the first with *faults*."""
    writer = SegmentWriter(folder / "stream")
    for one in events:
        one["meta"].setdefault("dt", "2025-01-31T14:30:00.000Z")
    writer.append(TOPIC, lines(*events))
    writer.close()
    requested = (partial(SegmentReader, folder / "stream"), folder / "table", "product_metrics.web_base")
    return [ingest(*requested, rules(*faults)).written, ingest(*requested).written]


def test_the_newest_hour_comes_with_the_next_ingestion(tmp_path: Path) -> None:
    late = event(2)
    late["meta"]["dt"] = "2025-01-31T15:00:01.000Z"
    assert ingested(tmp_path / "late", "late-partition", events=[event(1), late]) == [1, 1]
    assert ingested(tmp_path / "clean", events=[event(3), event(4)]) == [2, 0]


def test_canaries_are_kept_only_with_the_fault(tmp_path: Path) -> None:
    def canary() -> dict[str, Any]:
        one = event(1)
        one["meta"]["domain"] = "canary"
        return one

    assert ingested(tmp_path / "clean", events=[canary(), event(2)]) == [1, 0]
    assert ingested(tmp_path / "kept", "canary-kept", events=[canary(), event(2)]) == [2, 0]
