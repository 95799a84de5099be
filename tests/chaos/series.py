"""Kill series: repeated kills of one kind of process during its work, and checks after each."""

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
from contracts.generation import Generation
from contracts.mpic_client import MpicClient
from tests.chaos.kills import kill_during
from tests.chaos.runs import kill_in_run
from tests.chaos.targets import TARGETS
from tests.chaos.writers import kill_analysis, kill_ingestion, kill_spark_job
from tests.servers import serving
from tests.testbed.intake.test_crashes import landed, traffic
from tests.testbed.mpic.conftest import HEADERS, config, path

#: Fates of events that prove a fault of the kit.
_WRONG = ("lost", "duplicated", "corrupted", "unexpected")


class Result(NamedTuple):
    """Result of a series.

    Attributes:
        kills: number of kills during the work.
        acknowledged: events, rows or configs acknowledged or written before the kills.
        after: state after the kills, in words.
    """

    kills: int
    acknowledged: int
    after: str


Series = Callable[[Path, int, random.Random], Result]


def kills_in_runs(
    name: str, verdicts: Collection[Verdict], phrase: str, folder: Path, kills: int, rng: random.Random
) -> Result:
    """Kill processes of the target *name* in a series of runs.

    Args:
        name: one of `TARGETS`.
        verdicts: allowed verdicts on such a run.
        phrase: required in the verdict's sentence or in a check that did not pass, unless the run is GO.
        folder, kills, rng: the arguments of every series.
    """
    sentences, acknowledged = Counter[str](), 0
    for number in range(kills):
        home = folder / str(number)
        home.mkdir(parents=True)
        verdict = kill_in_run(home, TARGETS[name], rng, 1_000 + number)
        counts = verdict["reconciliation"]
        assert not any(counts[fate] for fate in _WRONG), counts
        assert counts["ok"] + counts["indeterminate"] + counts["invalid"] + counts["late"] == counts["offered"], counts
        assert verdict["verdict"] in verdicts, f"{verdict['verdict']}: {verdict['sentence']}"
        assert verdict["verdict"] == Verdict.GO or phrase in _findings(verdict), verdict["sentence"]
        acknowledged += counts["ok"]
        sentences[f"{verdict['verdict']}: {str(verdict['sentence'])[:110]}"] += 1
    return Result(kills, acknowledged, "; ".join(f"{count} × {sentence}" for sentence, count in sentences.items()))


def _findings(verdict: Mapping[str, Any]) -> str:
    unpassed = [item["summary"] for item in verdict["checks"] if item["verdict"] not in ("pass", "skipped")]
    return " ".join([str(verdict["sentence"]), *unpassed])


def intake_alone(folder: Path, kills: int, rng: random.Random) -> Result:
    """Kill the intake with requests in flight: every acknowledged event is in the stream once."""
    port, stream, acknowledged = free_port(), folder / "stream", list[str]()
    for round_number in range(kills):
        with serving("testbed.intake", "--stream-dir", str(stream), port=port, log=folder / "log") as server:
            stop = threading.Event()
            senders = [
                threading.Thread(target=traffic, args=(server.url, f"{round_number}-{i}", acknowledged, stop))
                for i in range(3)
            ]
            for sender in senders:
                sender.start()
            threshold = len(acknowledged) + rng.randint(3, 60)
            _kill(server.process.pid, acknowledged, threshold, rng)
            server.process.wait(60)
            stop.set()
            for sender in senders:
                sender.join()
    counts = Counter(landed(stream))
    assert set(acknowledged) <= counts.keys()
    assert max(counts.values()) == 1
    return Result(kills, len(acknowledged), f"{counts.total():,} in the stream, none twice")


def mpic_alone(folder: Path, kills: int, rng: random.Random) -> Result:
    """Kill MPIC while it stores configs: every acknowledged config is stored afterwards."""
    port, database, acknowledged = free_port(), folder / "mpic.sqlite", list[str]()
    for round_number in range(kills):
        with serving("testbed.mpic", "--database", str(database), port=port, log=folder / "log") as server:
            writer = threading.Thread(target=_put_configs, args=(server.url, round_number, acknowledged))
            writer.start()
            threshold = len(acknowledged) + rng.randint(1, 10)
            _kill(server.process.pid, acknowledged, threshold, rng)
            server.process.wait(60)
            writer.join()
    restarted = serving("testbed.mpic", "--database", str(database), port=port, log=folder / "log")
    with restarted as server, MpicClient(server.url) as client:
        counts = Counter(item.name for item in client.experiments(Generation.ALPHA))
    assert set(acknowledged) <= counts.keys()
    assert max(counts.values()) == 1
    return Result(kills, len(acknowledged), f"{counts.total():,} configs, none twice")


def _kill(pid: int, acknowledged: Sequence[str], threshold: int, rng: random.Random) -> None:
    """Kill a service after *threshold* acknowledgements; clients keep it busy until then."""
    assert kill_during([pid], lambda: len(acknowledged) >= threshold, rng), "it had ended before"


def _put_configs(url: str, round_number: int, acknowledged: list[str]) -> None:
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        for number in range(100_000):
            slug = f"e{round_number}-{number}"
            try:
                answer = client.put(path("alpha", slug), json=config("alpha", slug=slug), headers=HEADERS)
            except httpx.HTTPError:
                return
            if answer.status_code == 201:
                acknowledged.append(slug)


def _writer(kill: Callable[[Path, int, random.Random], tuple[int, str]]) -> Series:
    def series(folder: Path, kills: int, rng: random.Random) -> Result:
        return Result(kills, *kill(folder, kills, rng))

    return series


_INVALID = (Verdict.INVALID,)
#: A busy machine may make any run INVALID.
_NO_LOSS = (Verdict.GO, Verdict.INCONCLUSIVE, Verdict.INVALID)

SERIES: Mapping[str, Series] = {
    "sender": partial(kills_in_runs, "sender", _INVALID, "the sender of worker-0-"),
    "worker": partial(kills_in_runs, "worker", _INVALID, " was lost"),
    "master": partial(kills_in_runs, "master", _INVALID, "ended without closing the run"),
    "recorder": partial(kills_in_runs, "recorder", _INVALID, "ended without closing the run"),
    "mpic": partial(kills_in_runs, "mpic", _NO_LOSS, ""),
    "mpic, writing": mpic_alone,
    "wiki": partial(kills_in_runs, "wiki", _INVALID, "wiki"),
    "intake": partial(kills_in_runs, "intake", (*_NO_LOSS, Verdict.NO_GO), "answered"),
    "intake, writing": intake_alone,
    "ingest": _writer(kill_ingestion),
    "analyse": _writer(kill_analysis),
    "kafka": partial(kills_in_runs, "kafka", (*_NO_LOSS, Verdict.NO_GO), ""),
    "spark": _writer(kill_spark_job),
}

#: Series without Java and without runs, for the short test.
QUICK = ("mpic, writing", "intake, writing", "ingest", "analyse")
