"""How much of which traffic shows each fault of the catalogue."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from contracts.assignment import Generation
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


def _usual(fault: Mapping[str, str]) -> Recipe:
    return Recipe(Fidelity(fault["fidelity"]), Generation(fault["generation"]))


def _unchanged(usual: Recipe) -> Recipe:
    return usual


#: What differs from the usual traffic of a fault's fidelity.
_CHANGES: Mapping[str, Callable[[Recipe], Recipe]] = {
    # Three sessions in a hundred: among 300 enrolled accounts there is none in one run of ten thousand.
    "not-sticky": lambda usual: usual._replace(sessions=390),
    "off-by-one": lambda usual: usual._replace(sessions=240),
    "self-assign": lambda usual: usual._replace(sessions=160),
    "off-still-sends": lambda usual: usual._replace(scenarios=("switched-off",)),
    "one-group-only": lambda usual: usual._replace(scenarios=("dwell",)),
    "late-record": lambda usual: usual._replace(scenarios=("dwell",)),
    "unload-loss": lambda usual: usual._replace(scenarios=("dwell",)),
    "wrong-intake": lambda usual: usual._replace(scenarios=("dwell",)),
    "hasty-invalid": lambda usual: usual._replace(hasty=True),
    "silent-intake": lambda usual: usual._replace(hasty=True),
    "no-meta-dt": lambda usual: usual._replace(hasty=True),
    "bot-filter": lambda usual: usual._replace(visitors=2_000),
}

_ORDER = list(Fidelity)


def recipe_of(faults: Sequence[Mapping[str, str]]) -> Recipe:
    """Return the traffic that shows all of *faults* (rows of the catalogue) at once: of the costliest fidelity."""
    found = [_CHANGES.get(fault["id"], _unchanged)(_usual(fault)) for fault in faults]
    later = any(recipe.generation is Generation.XLAB for recipe in found)
    return Recipe(
        fidelity=max((recipe.fidelity for recipe in found), key=_ORDER.index),
        generation=Generation.XLAB if later else Generation.ALPHA,
        visitors=max(recipe.visitors for recipe in found),
        sessions=max(recipe.sessions for recipe in found),
        scenarios=tuple(dict.fromkeys(name for recipe in found for name in recipe.scenarios)),
        users=max(recipe.users for recipe in found),
        hasty=any(recipe.hasty for recipe in found),
    )


def clean_recipes() -> tuple[Recipe, ...]:
    """Return the traffic of clean runs that are quick: both generations, at every fidelity that has many subjects."""
    return tuple(
        Recipe(fidelity, generation, visitors=2_000, sessions=560)
        for fidelity in (Fidelity.SYNTHETIC, Fidelity.WIKI)
        for generation in Generation
    )


def sample_rates(wiki: str) -> Mapping[str, object]:
    """Return `sample_rate` of the experiment, with a rate of its own for *wiki*."""
    return {"default": _DEFAULT_RATE, str(_RATE): [wiki]}
