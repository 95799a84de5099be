"""Kills of the Spark job at random times: finally every event is in the table once."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import duckdb
import orjson
import psutil
import pytest

from contracts.table import TABLE, misplaced_rows, parquet_files, read_parquet
from tests.brokers import running_broker
from tests.spark import need_spark
from tests.testbed.stream.kafka.test_crashes import killed_at_random, landed
from tests.testbed.table.test_ingest import event, produce

#: Time limit of a job on a busy machine, seconds.
_WITHIN_S = 240.0


class Job:
    """The job that fills the table under *folder*, from the segments there or from the options *source*."""

    def __init__(self, folder: Path, *source: str) -> None:
        self.folder = folder
        self.files = folder / "warehouse" / TABLE
        self._command = [
            sys.executable, "-m", "testbed.table.hive", "--short",
            *(source or ("--stream-dir", str(folder / "stream"))), "--state", str(folder / "state"),
            "--warehouse", str(folder / "warehouse"),
        ]  # fmt: skip

    def run(self) -> dict[str, int]:
        done = subprocess.run(self._command, capture_output=True, check=False, timeout=_WITHIN_S)
        assert done.returncode == 0, _messages(done.stderr)
        summary: dict[str, int] = orjson.loads(done.stdout)
        return summary

    def start(self) -> "subprocess.Popen[bytes]":
        """Start the job as leader of a session."""
        with (self.folder / "killed.log").open("ab") as log:
            return subprocess.Popen(self._command, stdout=log, stderr=log, start_new_session=True)

    def killed(self, when: Callable[[], bool], after_s: float, only_java: bool = False) -> None:
        """Start the job; kill it, or only its Java process, *after_s* seconds after *when* becomes true."""
        process = self.start()
        deadline = time.monotonic() + _WITHIN_S
        while process.poll() is None and not when() and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(after_s)
        if only_java:
            for child in psutil.Process(process.pid).children() if process.poll() is None else []:
                child.kill()
        elif process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(_WITHIN_S)

    def ids(self) -> list[str]:
        rows = read_parquet(self.files, duckdb.connect())
        return sorted(row["id"] for row in rows["meta"].to_pylist())

    def writes(self) -> bool:
        return any(names for _, _, names in os.walk(self.files / "_temporary"))


def _messages(stderr: bytes) -> str:
    """Return the end of a job's messages, without DuckDB's messages at the end of a process."""
    lines = stderr.decode(errors="replace").splitlines()
    return "\n".join(line for line in lines if "leaked" not in line)[-3_000:]


def produce_part(job: Job, part: int, count: int = 960) -> list[str]:
    """Produce events of all hours of a day, so that a batch has many files."""
    ids = [f"{part}-{number}" for number in range(count)]
    produce(job.folder, *(event(name, f"2025-01-31T{i % 24:02d}:30:00.000Z") for i, name in enumerate(ids)))
    return ids


def test_a_job_killed_while_writing_loses_no_event(tmp_path: Path) -> None:
    need_spark()
    job = Job(tmp_path)
    ids = produce_part(job, 0)
    job.killed(job.writes, 0.3)
    ids += produce_part(job, 1)
    # The first file is committed; the others and the checkpoint are not.
    before = len(parquet_files(job.files))
    job.killed(lambda: len(parquet_files(job.files)) > before, 0.0, only_java=True)
    assert not (tmp_path / "state" / "segments.json").exists()
    job.run()
    assert job.ids() == sorted(ids)
    assert misplaced_rows(job.files, duckdb.connect()) == {}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_acknowledged_events_survive_kills_of_all_processes(
    tmp_path: Path,
) -> None:
    need_spark()
    with running_broker(tmp_path) as broker:
        job, moments = Job(tmp_path, "--kafka", broker.bootstrap), random.Random(7)  # noqa: S311 (reproducible)
        acknowledged: list[str] = []
        for part in range(10):
            acknowledged += killed_at_random(broker, tmp_path, deaths=1, seed=part)
            when = (lambda: True) if part % 2 else job.writes
            job.killed(when, moments.uniform(0, 25 if part % 2 else 2), only_java=part % 3 == 0)
        job.run()
        assert len(acknowledged) == len(set(acknowledged))
        in_table = Counter(job.ids())
        assert max(in_table.values()) == 1
        assert set(acknowledged) <= in_table.keys()
        assert in_table == landed(broker.bootstrap)
        assert misplaced_rows(job.files, duckdb.connect()) == {}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_job_killed_ten_times_loses_no_event(tmp_path: Path) -> None:
    need_spark()
    job, moments = Job(tmp_path), random.Random(5)  # noqa: S311
    ids: list[str] = []
    for part in range(10):
        ids += produce_part(job, part)
        # Half of the kills come at any time from the first second on, the others near the commit.
        when = (lambda: True) if part % 2 else job.writes
        job.killed(when, moments.uniform(0, 20 if part % 2 else 2), only_java=part % 3 == 0)
    job.run()
    assert job.ids() == sorted(ids)
