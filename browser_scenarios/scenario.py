"""The definition of a scenario."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from browser_scenarios.context import ScenarioContext


class Scenario(NamedTuple):
    """A scenario.

    Attributes:
        name: name on the command line.
        question: question that the scenario answers.
        play: coroutine that plays the scenario.
        isolated: keep its events out of the run, because it changes the experiment or enrols users against the hash.
    """

    name: str
    question: str
    play: "Callable[[ScenarioContext], Awaitable[None]]"
    isolated: bool = False
