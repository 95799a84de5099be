"""Acknowledged events are in the stream, also after a kill or on a full disk."""

import json
import random
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from common.ports import free_port
from testbed.stream.segments import SegmentReader, SegmentWriter, StreamFullError
from tests.servers import serving
from tests.testbed.intake.test_contract import STREAM, TEXT, valid

TOPIC = f"eqiad.{STREAM}"


def landed(folder: Path) -> list[str]:
    """Return the ids of all events in the stream; every line must be an event."""
    reader = SegmentReader(folder, TOPIC)
    return [json.loads(line)["meta"]["id"] for batch in reader.read() for line in batch.lines]


def traffic(url: str, name: str, acknowledged: list[str], stop: threading.Event) -> None:
    """Post events in sequence until the intake dies."""
    with httpx.Client(trust_env=False, timeout=240) as client:
        for number in range(100_000):
            if stop.is_set():
                return
            ids = [f"{name}-{number}-{part}" for part in range(1 + number % 5)]
            events = [valid(meta={"stream": STREAM, "id": event_id}, action_context="x" * 3000) for event_id in ids]
            try:
                answer = client.post(f"{url}/v1/events", content=json.dumps(events), headers=TEXT)
            except httpx.HTTPError:
                return
            if answer.status_code == 201:
                acknowledged += ids


def await_length(ids: list[str], length: int) -> None:
    """Wait until other threads have extended *ids* to *length*."""
    deadline = time.monotonic() + 120
    while len(ids) < length:
        assert time.monotonic() < deadline, f"only {len(ids)} events are acknowledged"
        time.sleep(0.005)


@pytest.mark.parametrize("kills", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_acknowledged_events_survive_a_killed_intake(tmp_path: Path, kills: int) -> None:
    moments = random.Random(kills)  # noqa: S311
    port, folder = free_port(), tmp_path / "stream"
    acknowledged: list[str] = []
    for life in range(kills):
        with serving("testbed.intake", "--stream-dir", str(folder), port=port, log=tmp_path / "log") as server:
            stop = threading.Event()
            senders = [
                threading.Thread(target=traffic, args=(server.url, f"{life}-{i}", acknowledged, stop)) for i in range(3)
            ]
            for sender in senders:
                sender.start()
            await_length(acknowledged, len(acknowledged) + 20)
            time.sleep(moments.uniform(0.02, 0.3))
            server.kill()
            stop.set()
            for sender in senders:
                sender.join()
    ids = landed(folder)
    assert set(acknowledged) <= set(ids)
    assert len(ids) == len(set(ids))


def test_readers_and_writers_skip_a_partial_line(tmp_path: Path) -> None:
    SegmentWriter(tmp_path).append(TOPIC, [b'{"a":1}'])
    [segment] = (tmp_path / TOPIC).iterdir()
    with segment.open("ab") as file:
        file.write(b'{"half')
    SegmentWriter(tmp_path).append(TOPIC, [b'{"b":2}'])
    reader = SegmentReader(tmp_path, TOPIC)
    assert [line for batch in reader.read() for line in batch.lines] == [b'{"a":1}', b'{"b":2}']
    assert list(reader.read()) == []


def test_a_reader_continues_from_a_position(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, segment_bytes=10)
    writer.append(TOPIC, [b"1", b"2"])
    first = SegmentReader(tmp_path, TOPIC)
    assert [batch.lines for batch in first.read()] == [[b"1", b"2"]]
    writer.append(TOPIC, [b"33333333333"])
    writer.append(TOPIC, [b"4"])
    assert len(list((tmp_path / TOPIC).iterdir())) == 2
    second = SegmentReader(tmp_path, TOPIC, first.position)
    assert [line for batch in second.read() for line in batch.lines] == [b"33333333333", b"4"]
    writer.close()


def _full_disk(folder: str) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))
    writer = SegmentWriter(Path(folder))
    writer.append(TOPIC, [b"x" * 30])
    try:
        writer.append(TOPIC, [b"y" * 30])
    except StreamFullError:
        writer.append(TOPIC, [b"z" * 5])
        return
    sys.exit("the second batch was accepted")


def test_a_batch_beyond_the_disk_is_rolled_back(tmp_path: Path) -> None:
    code = (
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        f"from tests.testbed.intake.test_crashes import _full_disk; _full_disk({str(tmp_path)!r})"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=240)
    reader = SegmentReader(tmp_path, TOPIC)
    assert [line for batch in reader.read() for line in batch.lines] == [b"x" * 30, b"z" * 5]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stream-configs", "/no/such.json"], "/no/such.json"),
        (["--port", "99999"], "0-65535"),
        (["--stream-configs", "{bad}"], "bad.json"),
    ],
)
def test_a_failed_start_is_one_clear_line(tmp_path: Path, arguments: list[str], message: str) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text("{}")
    arguments = [argument.replace("{bad}", str(bad)) for argument in arguments]
    command = [sys.executable, "-m", "testbed.intake", "--stream-dir", str(tmp_path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with serving("testbed.intake", "--stream-dir", str(tmp_path / "s"), log=tmp_path / "log") as server:
        port = server.url.rpartition(":")[2]
        command = [sys.executable, "-m", "testbed.intake", "--stream-dir", str(tmp_path), "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: cannot listen on 127.0.0.1:{port}")
    assert len(done.stderr.splitlines()) == 1
