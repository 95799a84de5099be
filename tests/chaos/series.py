"""The series: for each victim, so many kills inside its work, and what has to hold after each."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from analysis.verdict import Verdict
from common.ports import free_port
from contracts.assignment import Generation
from contracts.mpic_client import MpicClient
from tests.chaos.kills import killed_inside
from tests.chaos.runs import kill_in_run
from tests.chaos.targets import TARGETS
from tests.chaos.writers import kill_analysis, kill_ingestion, kill_spark_job
from tests.servers import serving
from tests.testbed.intake.test_crashes import landed, traffic
from tests.testbed.mpic.conftest import HEADERS, config, path

#: How events fared that the kit knows to be wrong.
_WRONG = ("lost", "duplicated", "corrupted", "unexpected")


class Result(NamedTuple):
    """What a series showed.

    Attributes:
        kills: how many fell inside the work.
        acknowledged: events, rows or configs that had been acknowledged or written down before.
        after: what was found after the kills.
    """

    kills: int
    acknowledged: int
    after: str


Series = Callable[[Path, int, random.Random], Result]


def of_runs(
    name: str, verdicts: Collection[Verdict], word: str, folder: Path, kills: int, chance: random.Random
) -> Result:
    """Kill the part *name* in one run after the other.

    Args:
        name: one of `TARGETS`.
        verdicts: that such a run may have.
        word: that the verdict's sentence or an unpassed check has to contain, unless the run is GO.
        folder, kills, chance: as of every series.
    """
    sentences, acknowledged = Counter[str](), 0
    for number in range(kills):
        home = folder / str(number)
        home.mkdir(parents=True)
        output = kill_in_run(home, TARGETS[name], chance, 1_000 + number)
        counts = output["reconciliation"]
        assert not any(counts[fate] for fate in _WRONG), counts
        assert counts["ok"] + counts["indeterminate"] + counts["invalid"] + counts["late"] == counts["offered"], counts
        assert output["verdict"] in verdicts, f"{output['verdict']}: {output['sentence']}"
        assert output["verdict"] == Verdict.GO or word in _told(output), output["sentence"]
        acknowledged += counts["ok"]
        sentences[f"{output['verdict']}: {str(output['sentence'])[:110]}"] += 1
    return Result(kills, acknowledged, "; ".join(f"{count} × {sentence}" for sentence, count in sentences.items()))


def _told(said: Mapping[str, Any]) -> str:
    unpassed = [item["summary"] for item in said["checks"] if item["verdict"] not in ("pass", "skipped")]
    return " ".join([str(said["sentence"]), *unpassed])


def intake_alone(folder: Path, kills: int, chance: random.Random) -> Result:
    """Kill the intake while requests are under way: every acknowledged event is in the stream, once."""
    port, stream, acknowledged = free_port(), folder / "stream", list[str]()
    for life in range(kills):
        with serving("testbed.intake", "--stream-dir", str(stream), port=port, log=folder / "log") as server:
            stop = threading.Event()
            senders = [
                threading.Thread(target=traffic, args=(server.url, f"{life}-{i}", acknowledged, stop)) for i in range(3)
            ]
            for sender in senders:
                sender.start()
            some = len(acknowledged) + chance.randint(3, 60)
            _kill(server.process.pid, acknowledged, some, chance)
            server.process.wait(60)
            stop.set()
            for sender in senders:
                sender.join()
    counts = Counter(landed(stream))
    assert set(acknowledged) <= counts.keys()
    assert max(counts.values()) == 1
    return Result(kills, len(acknowledged), f"{counts.total():,} in the stream, none twice")


def mpic_alone(folder: Path, kills: int, chance: random.Random) -> Result:
    """Kill MPIC while configs are put into it: every one that it acknowledged is there afterwards."""
    port, database, acknowledged = free_port(), folder / "mpic.sqlite", list[str]()
    for life in range(kills):
        with serving("testbed.mpic", "--database", str(database), port=port, log=folder / "log") as server:
            writer = threading.Thread(target=_put_configs, args=(server.url, life, acknowledged))
            writer.start()
            some = len(acknowledged) + chance.randint(1, 10)
            _kill(server.process.pid, acknowledged, some, chance)
            server.process.wait(60)
            writer.join()
    again = serving("testbed.mpic", "--database", str(database), port=port, log=folder / "log")
    with again as server, MpicClient(server.url) as client:
        counts = Counter(item.name for item in client.experiments(Generation.ALPHA))
    assert set(acknowledged) <= counts.keys()
    assert max(counts.values()) == 1
    return Result(kills, len(acknowledged), f"{counts.total():,} configs, none twice")


def _kill(pid: int, acknowledged: Sequence[str], some: int, chance: random.Random) -> None:
    """Kill a service once *some* were acknowledged; clients keep it busy from then to the kill."""
    assert killed_inside([pid], lambda: len(acknowledged) >= some, chance), "it had ended before"


def _put_configs(url: str, life: int, acknowledged: list[str]) -> None:
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        for number in range(100_000):
            slug = f"e{life}-{number}"
            try:
                answer = client.put(path("alpha", slug), json=config("alpha", slug=slug), headers=HEADERS)
            except httpx.HTTPError:
                return
            if answer.status_code == 201:
                acknowledged.append(slug)


def _writer(kill: Callable[[Path, int, random.Random], tuple[int, str]]) -> Series:
    def series(folder: Path, kills: int, chance: random.Random) -> Result:
        return Result(kills, *kill(folder, kills, chance))

    return series


_INVALID = (Verdict.INVALID,)
#: A busy machine may make any run INVALID.
_NO_LOSS = (Verdict.GO, Verdict.INCONCLUSIVE, Verdict.INVALID)

SERIES: Mapping[str, Series] = {
    "sender": partial(of_runs, "sender", _INVALID, "the sender of worker-0-"),
    "worker": partial(of_runs, "worker", _INVALID, " was lost"),
    "master": partial(of_runs, "master", _INVALID, "ended without closing the run"),
    "recorder": partial(of_runs, "recorder", _INVALID, "ended without closing the run"),
    "mpic": partial(of_runs, "mpic", _NO_LOSS, ""),
    "mpic, writing": mpic_alone,
    "wiki": partial(of_runs, "wiki", _INVALID, "wiki"),
    "intake": partial(of_runs, "intake", (*_NO_LOSS, Verdict.NO_GO), "answered"),
    "intake, writing": intake_alone,
    "ingest": _writer(kill_ingestion),
    "analyse": _writer(kill_analysis),
    "kafka": partial(of_runs, "kafka", (*_NO_LOSS, Verdict.NO_GO), ""),
    "spark": _writer(kill_spark_job),
}

#: Those that take no Java and no run of the kit: what the short form runs.
QUICK = ("mpic, writing", "intake, writing", "ingest", "analyse")
