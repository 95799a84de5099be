"""What a scenario is."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from browser_scenarios.context import ScenarioContext


class Scenario(NamedTuple):
    """One scenario.

    Attributes:
        name: on the command line.
        question: what it answers.
        play: plays it on a stage.
        apart: it changes the experiment, or enrols somebody against the hash, so it is played alone and its events are
            kept out of the run.
    """

    name: str
    question: str
    play: "Callable[[ScenarioContext], Awaitable[None]]"
    apart: bool = False
