"""The peer of `bench.sending`: Locust's FastHttpUser renders, records and sends the same events in sequence.

`python -m bench.fast_http_user URL BATCH SECONDS USERS FILE` writes [events, CPU seconds, seconds] into FILE.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

import gevent
import orjson
from locust import FastHttpUser, task
from locust.env import Environment

from bench.sending import settings
from contracts.intake import interpret
from personas.plan.blocks import PlannedEvent
from personas.plan.plan import Plan
from run_record.ledger.files import LedgerWriter, Span
from traffic.transport import BEACON_HEADERS


class Beacon(FastHttpUser):
    """Sends the next events of the plan."""

    host = "http://127.0.0.1"
    url = ""
    batch = 1
    events: Iterator[PlannedEvent] = iter(())
    ledger: LedgerWriter
    sent = 0

    @task
    def send(self) -> None:
        """Send one request, as the kit did before it had its sender."""
        cls = type(self)
        events = list(islice(cls.events, self.batch))
        body = events[0].body if len(events) == 1 else b"[" + b",".join([event.body for event in events]) + b"]"
        now = int(time.time() * 1000)
        spans = [Span(event.visit, event.position, 1) for event in events]
        request = cls.ledger.intend(spans, intended_ms=now, sent_ms=now)
        with self.client.request(
            "POST",
            self.url,
            name="beacon",
            data=body,  # type: ignore[arg-type]  # bytes are accepted too
            headers=BEACON_HEADERS,
            catch_response=True,
        ) as response:
            response.success()
        answers = interpret(response.status_code, "", response.content or b"", [event.id for event in events])
        cls.ledger.answered(request, answers, status=response.status_code, at_ms=int(time.time() * 1000))
        cls.sent += len(events)


def main(url: str, batch: str, seconds: str, users: str, out: str) -> None:
    """Send for *seconds* seconds, and write the cost to *out*."""
    plan = Plan(settings(10_000, float(seconds) * 10))
    visits = (plan.visit(index) for index in range(plan.settings.visitors))
    Beacon.url, Beacon.batch, Beacon.events = url, int(batch), chain.from_iterable(visits)
    with tempfile.TemporaryDirectory() as folder:
        Beacon.ledger = LedgerWriter(Path(folder), "peer")
        runner = Environment(user_classes=[Beacon]).create_local_runner()
        runner.start(int(users), spawn_rate=int(users))
        gevent.sleep(1)
        begin, cpu, before = time.monotonic(), time.process_time(), Beacon.sent
        gevent.sleep(float(seconds))
        result = [Beacon.sent - before, time.process_time() - cpu, time.monotonic() - begin]
        runner.quit()
    Path(out).write_bytes(orjson.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
