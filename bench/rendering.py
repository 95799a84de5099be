"""Benchmark of rendering events: the kit's plan, compared with one dict per event, and with Faker."""

import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from random import Random
from secrets import token_hex

import orjson
from faker import Faker
from rich.console import Console
from rich.table import Table

from contracts.assignment import assign
from contracts.generation import Generation
from contracts.schemas import WEB_BASE_1_3_0
from personas.example_experiment import EXPERIMENT, STREAM, example_experiment, example_instrument
from personas.persona import load_personas
from personas.plan.plan import Plan
from personas.plan.settings import PlanSettings

VISITORS, ROUNDS = 6_000, 5


def plan(epoch_ms: int) -> Plan:
    """Return a plan with a sample rate of 1."""
    return Plan(
        PlanSettings(
            generation=Generation.ALPHA,
            experiment=example_experiment(Generation.ALPHA, rate=1.0),
            instrument=example_instrument(),
            seed=1,
            visitors=VISITORS,
            epoch_ms=epoch_ms,
        )
    )


def planned(epoch_ms: int) -> Iterator[bytes]:
    """Yield events rendered by the kit, from subjects to bytes."""
    for event in plan(epoch_ms).events(0, VISITORS):
        yield event.body


def naive(count: int, name: Callable[[], str]) -> Iterator[bytes]:
    """Yield similar events, built in the obvious way: one dict, random tokens and one serialization per event."""
    rng = Random(1)  # noqa: S311
    personas = load_personas()
    weights = [persona.weight for persona in personas]
    for number in range(count):
        persona = rng.choices(personas, weights)[0]
        assignment = assign(Generation.ALPHA, number, EXPERIMENT, ("false", "true"), 1.0)
        event = {
            "action": "impression",
            "action_source": "ClickThroughRateInstrument",
            "funnel_entry_token": token_hex(10),
            "element_friendly_name": EXPERIMENT,
            "funnel_event_sequence_position": 1,
            "instrument_name": EXPERIMENT,
            "$schema": WEB_BASE_1_3_0,
            "experiments": {"enrolled": [EXPERIMENT], "assigned": {"feature": assignment.group}},
            "page": {"id": rng.randrange(300), "title": "Main Page", "namespace_id": 0},
            "mediawiki": {"database": "testwiki", "skin": persona.skin, "version": "1.43.9"},
            "performer": {
                "is_logged_in": True,
                "id": number,
                "name": name(),
                "session_id": token_hex(10),
                "pageview_id": token_hex(10),
                "edit_count_bucket": "0 edits",
                "active_browsing_session_token": token_hex(10),
            },
            "agent": {"client_platform": "mediawiki_js", "client_platform_family": persona.platform},
            "sample": {"rate": 1, "unit": "session"},
            "dt": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "meta": {"stream": STREAM, "domain": "test.wikipedia.org", "id": str(uuid.uuid4())},
        }
        yield orjson.dumps(event)


def cost(make: Callable[[], Iterator[bytes]]) -> tuple[float, int]:
    """Return CPU seconds per 1,000 events of *make*, the best of `ROUNDS` rounds, and the bytes per event."""
    best, size = float("inf"), 0
    for _ in range(ROUNDS):
        begin = time.process_time()
        count = size = 0
        for body in make():
            count += 1
            size += len(body)
        best = min(best, (time.process_time() - begin) / count * 1000)
        size //= count
    return best, size


def main() -> None:
    """Measure, and print the table."""
    faker = Faker("en_GB")
    rows = {
        "the kit: subjects, visits and events": lambda: planned(1_738_333_800_000),
        "dict + uuid4 + isoformat + orjson.dumps": lambda: naive(20_000, lambda: "Alan Hewitt"),
        "the same with a Faker name per event": lambda: naive(3_000, faker.name),
    }
    table = Table(title="Rendering events")
    for name in ("method", "CPU s per 1,000", "events/s per core", "bytes per event", "× the kit"):
        table.add_column(name, justify="left" if name == "method" else "right")
    first = 0.0
    for name, make in rows.items():
        seconds, size = cost(make)
        first = first or seconds
        table.add_row(name, f"{seconds:.4f}", f"{1000 / seconds:,.0f}", str(size), f"{seconds / first:.1f}")
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
