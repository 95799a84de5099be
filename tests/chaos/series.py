"""The series: for each victim, so many kills under work, and what has to hold after each."""

import json
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import duckdb
import httpx

from analysis.analyse import VERDICT, analyse
from analysis.results import Verdict
from metrics_platform.assignment import Generation
from metrics_platform.mpic import MpicClient
from metrics_platform.table import read_parquet
from tests.analysis.runs import make_run
from tests.brokers import running_broker
from tests.chaos.generator import kill_sender
from tests.chaos.kills import killed_inside
from tests.servers import free_port, serving
from tests.testbed.hive.test_crashes import Job, produce_part
from tests.testbed.intake.test_crashes import landed, traffic
from tests.testbed.kafka.test_crashes import assert_each_is_there_once, killed_at_random
from tests.testbed.mpic.conftest import HEADERS, config, path
from tests.testbed.test_ingest import event, fill, produce, rows

ROOT = Path(__file__).resolve().parents[2]


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


def intake(folder: Path, kills: int, chance: random.Random) -> Result:
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
            assert killed_inside(server.process.pid, lambda some=some: len(acknowledged) >= some, chance)  # type: ignore[misc]
            server.process.wait(20)
            stop.set()
            for sender in senders:
                sender.join()
    found = Counter(landed(stream))
    assert set(acknowledged) <= found.keys()
    assert max(found.values()) == 1
    return Result(kills, len(acknowledged), f"{found.total():,} in the stream, none twice")


def mpic(folder: Path, kills: int, chance: random.Random) -> Result:
    """Kill MPIC while configs are put into it: every one that it acknowledged is there afterwards."""
    port, database, acknowledged = free_port(), folder / "mpic.sqlite", list[str]()
    for life in range(kills):
        with serving("testbed.mpic", "--database", str(database), port=port, log=folder / "log") as server:
            writer = threading.Thread(target=_put_configs, args=(server.url, life, acknowledged))
            writer.start()
            some = len(acknowledged) + chance.randint(1, 10)
            assert killed_inside(server.process.pid, lambda some=some: len(acknowledged) >= some, chance)  # type: ignore[misc]
            server.process.wait(20)
            writer.join()
    again = serving("testbed.mpic", "--database", str(database), port=port, log=folder / "log")
    with again as server, MpicClient(server.url) as client:
        found = Counter(item.name for item in client.experiments(Generation.ALPHA))
    assert set(acknowledged) <= found.keys()
    assert max(found.values()) == 1
    return Result(kills, len(acknowledged), f"{found.total():,} configs, none twice")


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


def ingest(folder: Path, kills: int, chance: random.Random) -> Result:
    """Kill the ingestion while it writes an hour's file: the next run has every event in the table, once."""
    command = [sys.executable, "-m", "testbed.ingest", "--stream-dir", str(folder / "stream")]
    command += ["--table-dir", str(folder / "table")]
    ids: list[str] = []
    for kill in range(kills):
        fresh = [f"{kill}-{number}" for number in range(2_400)]
        produce(folder, *(event(name, f"2025-01-31T{i % 24:02d}:30:00.000Z") for i, name in enumerate(fresh)))
        ids += fresh
        while True:
            with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
                hit = killed_inside(process.pid, lambda: _drafts(folder / "table"), chance, longest_s=0.004)
            if hit:
                break
            # It was done before it was looked at: another hour's worth, then.
            produce(folder, event(more := f"more-{len(ids)}"))
            ids.append(more)
    fill(folder)
    found = Counter(row["meta"]["id"] for row in rows(folder))
    assert found == Counter(ids)
    return Result(kills, len(ids), f"{found.total():,} rows, none twice")


def _drafts(folder: Path) -> bool:
    return any(folder.rglob("*.draft"))


def analysis(folder: Path, kills: int, chance: random.Random) -> Result:
    """Kill the analysis while it writes: no half verdict, and the next analysis says what the first would have said."""
    run = make_run(folder / "run")
    run.land()
    command = [sys.executable, "-c", "from dogfood.cli import main; main()", "analyse", str(folder / "run")]
    killed = 0
    while killed < kills:
        (folder / "run" / VERDICT).unlink(missing_ok=True)
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            killed += killed_inside(process.pid, lambda: _drafts(folder / "run"), chance, longest_s=0.001)
        if (folder / "run" / VERDICT).exists():
            assert json.loads((folder / "run" / VERDICT).read_text())["verdict"] == "GO"
    found = analyse(folder / "run")
    assert found.verdict is Verdict.GO
    return Result(kills, len(run.events), found.verdict)


def kafka(folder: Path, kills: int, chance: random.Random) -> Result:
    """Kill the broker, and as often the intake, under traffic: acknowledged events are in topic and table, once."""
    with running_broker(folder) as broker:
        acknowledged = killed_at_random(broker, folder, kills, chance.randrange(1 << 30), "test.chaos")
        assert_each_is_there_once(broker, folder, "test.chaos", acknowledged)
    return Result(kills, len(acknowledged), "each once in topic and table")


def spark(folder: Path, kills: int, chance: random.Random) -> Result:
    """Kill the Spark job while files of a commit lie in `_temporary`: the next job has every event, once."""
    job, ids = Job(folder), list[str]()
    for kill in range(kills):
        ids += produce_part(job, kill)
        job.killed(job.writes, chance.uniform(0, 0.3), only_java=bool(kill % 3 == 0))
    job.run()
    assert job.ids() == sorted(ids)
    return Result(kills, len(ids), f"{len(read_parquet(job.files, duckdb.connect())):,} rows, none twice")


def sender(folder: Path, kills: int, chance: random.Random) -> Result:
    """Kill the sender of a run: the run ends, with a verdict on what was sent."""
    return _of_runs(folder, kills, kill_sender, chance)


Kill = Callable[[Path, random.Random, int], Mapping[str, object]]


def _of_runs(folder: Path, kills: int, kill: Kill, chance: random.Random) -> Result:
    sentences, acknowledged = Counter[str](), 0
    for number in range(kills):
        said = kill(folder, chance, number)
        counts = said["reconciliation"]
        assert isinstance(counts, Mapping)
        assert not any(counts[fate] for fate in ("lost", "duplicated", "corrupted", "unexpected")), counts
        acknowledged += counts["ok"]
        assert said["verdict"] == Verdict.INVALID, said["sentence"]
        sentences[str(said["sentence"])[:90]] += 1
    return Result(kills, acknowledged, f"INVALID: {sentences.most_common(1)[0][0]}")


SERIES: Mapping[str, Callable[[Path, int, random.Random], Result]] = {
    "sender": sender, "mpic": mpic, "intake": intake, "ingest": ingest,
    "analyse": analysis, "kafka": kafka, "spark": spark,
}  # fmt: skip

#: Those that take no Java and no run of the kit: what the short form runs.
QUICK = ("mpic", "intake", "ingest")
