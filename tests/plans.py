"""Small plans for tests."""

from dataclasses import replace

from contracts.generation import Generation
from personas.example_experiment import example_experiment, example_instrument
from personas.plan.plan import Plan
from personas.plan.settings import PlanSettings

EPOCH_MS = 1_738_333_800_000  # 2025-01-31T14:30:00Z


def settings(generation: Generation = Generation.ALPHA, **changes: object) -> PlanSettings:
    """Return settings for 600 visitors at a sample rate of 0.5, with *changes*."""
    created = PlanSettings(
        generation=generation,
        experiment=example_experiment(generation),
        instrument=example_instrument(),
        seed=7,
        visitors=600,
        epoch_ms=EPOCH_MS,
        time_scale=2000,
    )
    return replace(created, **changes)  # type: ignore[arg-type]


def plan(generation: Generation = Generation.ALPHA, **changes: object) -> Plan:
    """Return the plan of `settings`."""
    return Plan(settings(generation, **changes))
