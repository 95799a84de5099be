"""Kills of file writers: ingestion, Spark job, analysis. The next run of each is complete, and the verdict is GO."""

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import duckdb

from analysis.analyse import VERDICT, analyse
from analysis.verdict import Verdict
from contracts.table import TABLE, read_parquet
from run_record.manifest import Manifest
from testbed.stream.segments import SegmentReader
from testbed.table.table_export import export_table
from tests.analysis.runs import Event, MadeUp, make_run
from tests.chaos.kills import below, kill_during
from tests.spark import need_spark
from tests.testbed.table.hive.test_crashes import Job
from tests.testbed.table.test_ingest import event, fill, produce

ROOT = Path(__file__).resolve().parents[2]

#: Number of visitors; enough for a GO.
_VISITORS = 1_200
HOUR_MS = 3_600_000


def _make_run(folder: Path) -> MadeUp:
    """Create a run that started an hour ago, so that rows that land now are not late."""
    return make_run(folder / "run", visitors=_VISITORS, started_ms=int(time.time() * 1000) - HOUR_MS)


def _split(events: list[Event], count: int) -> Iterable[list[Event]]:
    """Yield *events* in *count* parts."""
    return (events[number::count] for number in range(count))


def _unrelated_events(part: str) -> list[Event]:
    """Return events of other senders in every hour of another day, so that many files are written."""
    return [event(f"{part}-{hour}-{number}", f"2025-01-20T{hour:02d}:30:00.000Z") for hour in range(24)
            for number in range(4)]  # fmt: skip


def _produce_and_kill(kill: Callable[[], bool], folder: Path, run: MadeUp, kills: int) -> list[str]:
    """Produce the run's events in *kills* parts, and kill the writer of each; return all ids."""
    ids: list[str] = []
    for number, part in enumerate(_split(run.events, kills)):
        new_events = part
        attempts = 0
        while True:
            new_events = [*new_events, *_unrelated_events(f"{number}-{attempts}")]
            produce(folder, *new_events)
            ids += [item["meta"]["id"] for item in new_events]
            if kill():
                break
            # The writer finished before the kill: produce further events.
            new_events, attempts = [], attempts + 1
    return ids


def _judge(folder: Path, run: MadeUp, table_dir: Path, ids: list[str]) -> tuple[int, str]:
    """Compare the table with *ids*, and judge the run by it; return the number of rows and a summary."""
    rows = read_parquet(table_dir / TABLE, duckdb.connect())
    counts = Counter(row["id"] for row in rows["meta"].to_pylist())
    assert counts == Counter(ids)
    started_ms = Manifest.read(run.folder).started_ms or 0
    export_table(
        partial(SegmentReader, folder / "stream"), table_dir, run.folder / "observed",
        started_ms - HOUR_MS, started_ms + 12 * HOUR_MS,
    )  # fmt: skip
    verdict = analyse(run.folder)
    assert verdict.reconciliation["ok"] == len(run.events), verdict.reconciliation
    assert verdict.verdict is Verdict.GO, verdict.sentence
    return len(ids), f"{counts.total():,} rows, none twice; {verdict.verdict}: {verdict.sentence[:80]}"


def kill_ingestion(folder: Path, kills: int, rng: random.Random) -> tuple[int, str]:
    """Kill the ingestion while it writes an hour's file."""
    command = [sys.executable, "-m", "testbed.table.ingest", "--stream-dir", str(folder / "stream")]
    command += ["--table-dir", str(folder / "table")]
    run = _make_run(folder)

    def kill() -> bool:
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
            # A draft left by an earlier kill does not prove work: it is written again.
            previous = _drafts(folder / "table")
            return kill_during([process.pid], lambda: _drafts(folder / "table") != previous, rng, max_interval_s=0.004)

    ids = _produce_and_kill(kill, folder, run, kills)
    fill(folder)
    return _judge(folder, run, folder / "table", ids)


def _drafts(folder: Path) -> set[tuple[str, int, int]]:
    """Return unfinished files in *folder*: path, inode and modification time."""
    names = set()
    for path in folder.rglob("*.draft"):
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        names.add((str(path), status.st_ino, status.st_mtime_ns))
    return names


def _differs(folder: Path, previous: object) -> bool:
    """Return whether the analysis has begun to write since *before*."""
    return _drafts(folder) != previous


def kill_analysis(folder: Path, kills: int, rng: random.Random) -> tuple[int, str]:
    """Kill the analysis while it writes: no partial verdict, and the next analysis gives the same one."""
    run = _make_run(folder)
    run.land()
    expected = analyse(run.folder)
    command = [sys.executable, "-c", "from dogfood.cli import main; main()", "analyse", str(run.folder)]
    killed = 0
    while killed < kills:
        (run.folder / VERDICT).unlink(missing_ok=True)
        is_writing = partial(_differs, run.folder, _drafts(run.folder))
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            killed += kill_during([process.pid], is_writing, rng, max_interval_s=0.001)
        if (run.folder / VERDICT).exists():
            assert json.loads((run.folder / VERDICT).read_text())["verdict"] == expected.verdict
    analysis = analyse(run.folder)
    assert (analysis.verdict, analysis.sentence) == (expected.verdict, expected.sentence)
    return len(run.events), f"{analysis.verdict}: {analysis.sentence[:80]}"


def kill_spark_job(folder: Path, kills: int, rng: random.Random) -> tuple[int, str]:
    """Kill the Spark job, or its Java process only, while a commit's files are in `_temporary`."""
    need_spark()
    job, run = Job(folder), _make_run(folder)

    def kill() -> bool:
        previous_files = _unfinished(job)
        process = job.start()
        only_java = rng.random() < 1 / 3
        try:
            while process.poll() is None and (_unfinished(job) <= previous_files or not below(process.pid, "java")):
                previous_files &= _unfinished(job)
            java = [item.pid for item in below(process.pid, "java")]
            if not java:
                return False
            victims = java if only_java else [*java, process.pid]
            return kill_during(victims, lambda: not _unfinished(job) <= previous_files, rng, max_interval_s=0.02)
        finally:
            process.wait(240)

    ids = _produce_and_kill(kill, folder, run, kills)
    job.run()
    return _judge(folder, run, folder / "warehouse", ids)


def _unfinished(job: Job) -> set[str]:
    """Return the files that a job has written but not committed."""
    folder = job.files / "_temporary"
    return {f"{path}/{name}" for path, _, names in os.walk(folder) for name in names}
