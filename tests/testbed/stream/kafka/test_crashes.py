"""Acknowledged events are in the topic, and once in the table, after kills of broker and intake."""

import json
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path

import duckdb
import httpx
import pytest

from common.ports import free_port
from contracts.table import TABLE, read_parquet
from testbed.table.ingest import ingest
from tests.brokers import RunningBroker
from tests.servers import Server, serving
from tests.testbed.intake.test_contract import ERRORS, STREAM, TEXT, invalid, valid

TOPIC = f"eqiad.{STREAM}"


def intake(bootstrap: str, folder: Path, port: int, *options: str) -> AbstractContextManager[Server]:
    return serving("testbed.intake", "--kafka", bootstrap, *options, port=port, log=folder / "intake.log")


def landed(bootstrap: str, topic: str = TOPIC) -> Counter[str]:
    """Return the count of each id in the topic."""
    from contracts.kafka import KafkaReader

    lines = [line for batch in KafkaReader(bootstrap, topic).read() for line in batch.lines]
    return Counter(json.loads(line)["meta"]["id"] for line in lines)


def traffic(url: str, name: str, stream: str, acknowledged: list[str], stop: threading.Event) -> None:
    """Post requests in sequence, also after errors."""
    with httpx.Client(trust_env=False, timeout=60) as client:
        for number in range(1_000_000):
            if stop.is_set():
                return
            ids = [f"{name}-{number}-{part}" for part in range(1 + number % 5)]
            events = [valid(meta={"stream": stream, "id": event_id}) for event_id in ids]
            try:
                answer = client.post(f"{url}/v1/events", content=json.dumps(events), headers=TEXT)
            except httpx.HTTPError:
                time.sleep(0.05)
                continue
            if answer.status_code == 201:
                acknowledged += ids


def killed_at_random(broker: RunningBroker, folder: Path, deaths: int, seed: int, stream: str = STREAM) -> list[str]:
    """Kill broker and intake *deaths* times each, in random order, under load; return the acknowledged ids.

    At least 50 events are acknowledged before each kill, and after the last one.
    """
    configs = folder / "streams.json"
    configs.write_text(json.dumps({"streams": {stream: {"schema_title": "analytics/product_metrics/web/base"}}}))
    options = ("--stream-configs", str(configs))
    moments = random.Random(seed)  # noqa: S311
    victims = ["broker", "intake"] * deaths
    moments.shuffle(victims)
    port, acknowledged, stop = free_port(), list[str](), threading.Event()
    senders = [
        threading.Thread(target=traffic, args=(f"http://127.0.0.1:{port}", f"{seed}-{i}", stream, acknowledged, stop))
        for i in range(4)
    ]
    with ExitStack() as running:
        server = running.enter_context(intake(broker.bootstrap, folder, port, *options))
        for sender in senders:
            sender.start()
        try:
            _await(partial(_is_longer, acknowledged, 50), "nothing is acknowledged")
            for victim in victims:
                time.sleep(moments.uniform(0.05, 0.6))
                before = len(acknowledged)
                if victim == "broker":
                    broker.kill()
                    broker.start()
                else:
                    server.kill()
                    server = running.enter_context(intake(broker.bootstrap, folder, port, *options))
                _await(partial(_is_longer, acknowledged, before + 50), "nothing is acknowledged any more")
        finally:
            stop.set()
            for sender in senders:
                sender.join()
    return acknowledged


def _is_longer(ids: list[str], length: int) -> bool:
    return len(ids) > length


def _await(condition: Callable[[], bool], message: str) -> None:
    deadline = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < deadline, message
        time.sleep(0.02)


def assert_each_is_there_once(broker: RunningBroker, folder: Path, stream: str, acknowledged: list[str]) -> None:
    from contracts.kafka import KafkaReader

    assert len(acknowledged) == len(set(acknowledged))
    in_topic = landed(broker.bootstrap, f"eqiad.{stream}")
    assert set(acknowledged) <= in_topic.keys()
    assert max(in_topic.values()) == 1
    done = ingest(partial(KafkaReader, broker.bootstrap), folder / "table", stream)
    rows = read_parquet(folder / "table" / TABLE, duckdb.connect()).column("meta").to_pylist()
    ids = Counter(row["id"] for row in rows)
    assert ids == in_topic
    assert (done.written, done.duplicates, done.broken) == (len(ids), 0, 0)


def test_acknowledged_events_survive_one_kill_each(broker: RunningBroker, tmp_path: Path) -> None:
    acknowledged = killed_at_random(broker, tmp_path, 1, 1, "test.killed_once")
    assert_each_is_there_once(broker, tmp_path, "test.killed_once", acknowledged)


@pytest.mark.slow
def test_acknowledged_events_survive_ten_kills_each(broker: RunningBroker, tmp_path: Path) -> None:
    acknowledged = killed_at_random(broker, tmp_path, 10, 2, "test.killed_10_times")
    assert_each_is_there_once(broker, tmp_path, "test.killed_10_times", acknowledged)


@pytest.fixture
def impatient(broker: RunningBroker, tmp_path: Path) -> Iterator[Server]:
    with intake(broker.bootstrap, tmp_path, free_port(), "--acknowledged-within", "2") as server:
        yield server


def post(server: Server, body: object, query: str = "") -> httpx.Response:
    return httpx.post(
        f"{server.url}/v1/events{query}", content=json.dumps(body), headers=TEXT, trust_env=False, timeout=120
    )


def named(*ids: str) -> list[object]:
    return [valid(meta={"stream": STREAM, "id": event_id}) for event_id in ids]


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_without_a_broker_no_event_is_accepted(broker: RunningBroker, impatient: Server, how: str) -> None:
    assert post(impatient, named(f"{how}-before")).status_code == 201
    broker.signal(signal.SIGKILL if how == "killed" else signal.SIGSTOP)
    if how == "killed":
        broker.wait()
    try:
        answer = post(impatient, [*named(f"{how}-1", f"{how}-2"), invalid()])
        assert answer.status_code == 500
        assert answer.reason_phrase.endswith("were not accepted. (1 invalid and 2 errored).")
        errors = answer.json()["error"]
        assert [error["event"]["meta"]["id"] for error in errors] == [f"{how}-1", f"{how}-2"]
        assert all("Kafka did not acknowledge it" in error["context"]["message"] for error in errors)
        assert post(impatient, named(f"{how}-hasty"), "?hasty=true").status_code == 202
        assert httpx.get(f"{impatient.url}/_info", trust_env=False).status_code == 200
    finally:
        if how == "killed":
            broker.start()
        else:
            broker.signal(signal.SIGCONT)
    _await(lambda: post(impatient, named(f"{how}-after")).status_code == 201, "it does not recover")
    result = landed(broker.bootstrap)
    assert result[f"{how}-before"] == 1
    assert result[f"{how}-after"] >= 1


def test_requests_do_not_wait_for_each_other(broker: RunningBroker, impatient: Server) -> None:
    """While Kafka is frozen, all requests are pending: none waits for another's acknowledgement."""
    broker.signal(signal.SIGSTOP)
    answers: list[int] = []
    senders = [
        threading.Thread(target=_record_status, args=(answers, impatient, named(f"open-{i}"))) for i in range(20)
    ]
    try:
        for sender in senders:
            sender.start()
        assert httpx.get(f"{impatient.url}/healthz", trust_env=False).status_code == 200
        assert answers == []
    finally:
        broker.signal(signal.SIGCONT)
    for sender in senders:
        sender.join()
    assert len(answers) == 20
    assert set(answers) <= {201, 500}
    result = landed(broker.bootstrap)
    assert sum(result[f"open-{i}"] for i in range(20)) >= answers.count(201)


def _record_status(answers: list[int], server: Server, events: list[object]) -> None:
    answers.append(post(server, events).status_code)


def test_a_stopped_intake_delivers_received_events(broker: RunningBroker, tmp_path: Path) -> None:
    with intake(broker.bootstrap, tmp_path, free_port()) as server:
        for i in range(20):
            assert post(server, named(f"last-{i}"), "?hasty=true").status_code == 202
    assert sum(landed(broker.bootstrap)[f"last-{i}"] for i in range(20)) == 20


def test_the_error_topic_has_the_invalid_events(broker: RunningBroker, impatient: Server) -> None:
    before = sum(landed(broker.bootstrap, ERRORS).values())
    assert post(impatient, [invalid(), *named("good")]).status_code == 207
    assert sum(landed(broker.bootstrap, ERRORS).values()) == before + 1
