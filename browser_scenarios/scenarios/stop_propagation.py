"""A handler of the page that stops the propagation of a click does not hide it from the instrument."""

from browser_scenarios.click_steps import click_counts_once
from browser_scenarios.context import ScenarioContext
from browser_scenarios.scenario import Scenario

_STOP = """(selector) => {
    const stop = (event) => { event.stopImmediatePropagation(); event.preventDefault(); };
    document.querySelector(selector).addEventListener('click', stop, true);
    document.addEventListener('click', stop, true);
}"""


async def play(context: ScenarioContext) -> None:
    """Stop the click's propagation as early as the page can, and click."""
    await click_counts_once(context, _STOP)


SCENARIO = Scenario("stop-propagation", "Does a click count when the page stops its propagation?", play)
