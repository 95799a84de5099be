"""Kills of what writes files: ingestion, Spark job, analysis. The next of its kind has all, and the verdict is GO."""

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
from tests.chaos.kills import below, killed_inside
from tests.spark import need_spark
from tests.testbed.table.hive.test_crashes import Job
from tests.testbed.table.test_ingest import event, fill, produce

ROOT = Path(__file__).resolve().parents[2]

#: Visitors of the run whose events are written: enough for a GO.
_VISITORS = 1_200
HOUR_MS = 3_600_000


def _make_run(folder: Path) -> MadeUp:
    """Return a run of an hour ago, so that what lands now is not late."""
    return make_run(folder / "run", visitors=_VISITORS, started_ms=int(time.time() * 1000) - HOUR_MS)


def _shares(events: list[Event], count: int) -> Iterable[list[Event]]:
    """Yield *events* in *count* parts."""
    return (events[number::count] for number in range(count))


def _others(part: str) -> list[Event]:
    """Return events that are not the run's, of every hour of another day: that many files are written."""
    return [event(f"{part}-{hour}-{number}", f"2025-01-20T{hour:02d}:30:00.000Z") for hour in range(24)
            for number in range(4)]  # fmt: skip


def _written(kill: Callable[[], bool], folder: Path, run: MadeUp, kills: int) -> list[str]:
    """Produce the run's events in as many parts as there are kills, and kill what writes each; return all ids."""
    ids: list[str] = []
    for number, part in enumerate(_shares(run.events, kills)):
        fresh = part
        tries = 0
        while True:
            fresh = [*fresh, *_others(f"{number}-{tries}")]
            produce(folder, *fresh)
            ids += [item["meta"]["id"] for item in fresh]
            if kill():
                break
            # It was through before it was looked at: something new to write, then.
            fresh, tries = [], tries + 1
    return ids


def _judge(folder: Path, run: MadeUp, table_dir: Path, ids: list[str]) -> tuple[int, str]:
    """Compare the table with *ids*, judge the run by it, and return the number of rows and a sentence."""
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


def kill_ingestion(folder: Path, kills: int, chance: random.Random) -> tuple[int, str]:
    """Kill the ingestion while it writes an hour's file."""
    command = [sys.executable, "-m", "testbed.table.ingest", "--stream-dir", str(folder / "stream")]
    command += ["--table-dir", str(folder / "table")]
    run = _make_run(folder)

    def kill() -> bool:
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
            # One that an earlier kill has left is not proof: it is written anew.
            before = _drafts(folder / "table")
            return killed_inside([process.pid], lambda: _drafts(folder / "table") != before, chance, longest_s=0.004)

    ids = _written(kill, folder, run, kills)
    fill(folder)
    return _judge(folder, run, folder / "table", ids)


def _drafts(folder: Path) -> set[tuple[str, int, int]]:
    """Return the half-written files in *folder*, with what tells one from the next of the same name."""
    names = set()
    for path in folder.rglob("*.draft"):
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        names.add((str(path), status.st_ino, status.st_mtime_ns))
    return names


def _differs(folder: Path, before: object) -> bool:
    """Return whether the analysis has begun to write since *before*."""
    return _drafts(folder) != before


def kill_analysis(folder: Path, kills: int, chance: random.Random) -> tuple[int, str]:
    """Kill the analysis while it writes: no half verdict, and the next says what the first would have said."""
    run = _make_run(folder)
    run.land()
    expected = analyse(run.folder)
    command = [sys.executable, "-c", "from dogfood.cli import main; main()", "analyse", str(run.folder)]
    killed = 0
    while killed < kills:
        (run.folder / VERDICT).unlink(missing_ok=True)
        is_writing = partial(_differs, run.folder, _drafts(run.folder))
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            killed += killed_inside([process.pid], is_writing, chance, longest_s=0.001)
        if (run.folder / VERDICT).exists():
            assert json.loads((run.folder / VERDICT).read_text())["verdict"] == expected.verdict
    analysis = analyse(run.folder)
    assert (analysis.verdict, analysis.sentence) == (expected.verdict, expected.sentence)
    return len(run.events), f"{analysis.verdict}: {analysis.sentence[:80]}"


def kill_spark_job(folder: Path, kills: int, chance: random.Random) -> tuple[int, str]:
    """Kill the Spark job while files of a commit lie in `_temporary`: all of it, or its Java process alone."""
    need_spark()
    job, run = Job(folder), _make_run(folder)

    def kill() -> bool:
        left = _unfinished(job)
        process = job.start()
        only_java = chance.random() < 1 / 3
        try:
            while process.poll() is None and (_unfinished(job) <= left or not below(process.pid, "java")):
                left &= _unfinished(job)
            java = [item.pid for item in below(process.pid, "java")]
            if not java:
                return False
            victims = java if only_java else [*java, process.pid]
            return killed_inside(victims, lambda: not _unfinished(job) <= left, chance, longest_s=0.02)
        finally:
            process.wait(240)

    ids = _written(kill, folder, run, kills)
    job.run()
    return _judge(folder, run, folder / "warehouse", ids)


def _unfinished(job: Job) -> set[str]:
    """Return the files that a job has written and not committed."""
    folder = job.files / "_temporary"
    return {f"{where}/{name}" for where, _, names in os.walk(folder) for name in names}
