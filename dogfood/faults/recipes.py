"""The traffic that makes each fault of the catalogue detectable: fidelity, generation, amount."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from contracts.generation import Generation
from run_record.roster import Fidelity

#: Sample rate of other wikis and of the testbed's, as in a config that is rolled out wiki by wiki.
_DEFAULT_RATE, _RATE = 0.4, 0.8


class Recipe(NamedTuple):
    """The traffic of one run.

    Attributes:
        fidelity: source of the events.
        generation: generation of the platform.
        visitors: synthetic subjects.
        sessions: accounts on the wiki.
        scenarios: scenarios of browsers.
        users: users of a scenario that does not fix their number.
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


#: Changes to the usual traffic of a fault's fidelity.
_CHANGES: Mapping[str, Callable[[Recipe], Recipe]] = {
    # The fault hits 3 % of sessions: 300 enrolled accounts miss it in one of ten thousand runs.
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
    """Return the traffic that shows all of *faults* (rows of the catalogue): of the most expensive fidelity."""
    recipes = [_CHANGES.get(fault["id"], _unchanged)(_usual(fault)) for fault in faults]
    later = any(recipe.generation is Generation.XLAB for recipe in recipes)
    return Recipe(
        fidelity=max((recipe.fidelity for recipe in recipes), key=_ORDER.index),
        generation=Generation.XLAB if later else Generation.ALPHA,
        visitors=max(recipe.visitors for recipe in recipes),
        sessions=max(recipe.sessions for recipe in recipes),
        scenarios=tuple(dict.fromkeys(name for recipe in recipes for name in recipe.scenarios)),
        users=max(recipe.users for recipe in recipes),
        hasty=any(recipe.hasty for recipe in recipes),
    )


def clean_recipes() -> tuple[Recipe, ...]:
    """Return the traffic of quick clean runs: each generation, at each fidelity with many subjects."""
    return tuple(
        Recipe(fidelity, generation, visitors=2_000, sessions=560)
        for fidelity in (Fidelity.SYNTHETIC, Fidelity.WIKI)
        for generation in Generation
    )


def sample_rates(wiki: str) -> Mapping[str, object]:
    """Return `sample_rate` of the experiment, with a separate rate for *wiki*."""
    return {"default": _DEFAULT_RATE, str(_RATE): [wiki]}
