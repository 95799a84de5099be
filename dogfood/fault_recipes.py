"""How much of which traffic shows each fault of the catalogue."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from metrics_platform.assignment import Generation
from run_record.roster import Fidelity

#: Sample rate of all wikis but the testbed's, which has its own: as of a config that is rolled out wiki by wiki.
_DEFAULT_RATE, _RATE = 0.4, 0.8


class Recipe(NamedTuple):
    """The traffic of one run.

    Attributes:
        fidelity: who makes it.
        generation: of the platform.
        visitors: synthetic ones.
        sessions: accounts on the wiki.
        scenarios: of browsers.
        users: of a scenario, where it leaves that open.
        hasty: whether synthetic events are sent as browsers send them.
    """

    fidelity: Fidelity
    generation: Generation
    visitors: int = 1_000
    sessions: int = 120
    scenarios: tuple[str, ...] = ("child-click",)
    users: int = 12
    hasty: bool = False


#: What differs from the usual traffic of a fault's fidelity.
_CHANGES: Mapping[str, Mapping[str, object]] = {
    # Three sessions in a hundred: with 300 of enrolled accounts there are none in one run of ten thousand.
    "not-sticky": {"sessions": 390},
    "off-by-one": {"sessions": 240},
    "self-assign": {"sessions": 160},
    "double-sampling": {"sessions": 160},
    "off-still-sends": {"scenarios": ("switched-off",)},
    "one-group-only": {"scenarios": ("dwell",)},
    "late-record": {"scenarios": ("dwell",)},
    "unload-loss": {"scenarios": ("dwell",)},
    "wrong-intake": {"scenarios": ("dwell",)},
    "hasty-invalid": {"hasty": True},
    "silent-intake": {"hasty": True},
    "no-meta-dt": {"hasty": True},
    "bot-filter": {"visitors": 2_000},
}

_ORDER = list(Fidelity)


def recipe_of(faults: Iterable[Mapping[str, str]]) -> Recipe:
    """Return the traffic that shows all of *faults* (rows of the catalogue) at once: of the costliest fidelity."""
    rows = list(faults)
    fidelity = max((Fidelity(row["fidelity"]) for row in rows), key=_ORDER.index)
    generations = {Generation(row["generation"]) for row in rows}
    generation = Generation.XLAB if Generation.XLAB in generations else Generation.ALPHA
    changes: dict[str, object] = {}
    for row in rows:
        for name, value in _CHANGES.get(row["id"], {}).items():
            had = changes.get(name)
            changes[name] = had + value if isinstance(had, tuple) and isinstance(value, tuple) else max(had or 0, value)  # type: ignore[type-var,call-overload]
    return Recipe(fidelity, generation)._replace(**changes)


def clean_recipes() -> tuple[Recipe, ...]:
    """Return the traffic of clean runs that are quick: both generations, at every fidelity that has many subjects."""
    return tuple(
        Recipe(fidelity, generation, visitors=2_000, sessions=700)
        for fidelity in (Fidelity.SYNTHETIC, Fidelity.WIKI)
        for generation in Generation
    )


def sample_rates(wiki: str) -> Mapping[str, object]:
    """Return `sample_rate` of the experiment, with a rate of its own for *wiki*."""
    return {"default": _DEFAULT_RATE, str(_RATE): [wiki]}
