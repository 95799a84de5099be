"""A click on something inside the element is a click on the element, once."""

from browser_scenarios.click_steps import click_counts_once
from browser_scenarios.context import ScenarioContext
from browser_scenarios.scenario import Scenario

_ADD_CHILD = """(selector) => {
    const child = document.createElement('span');
    child.id = 'dogfood-child';
    child.textContent = ' ⚑';
    document.querySelector(selector).appendChild(child);
}"""


async def play(stage: ScenarioContext) -> None:
    """Put something into the element, and click that."""
    await click_counts_once(stage, _ADD_CHILD, "#dogfood-child")


SCENARIO = Scenario("child-click", "Does a click on a part of the element count, once?", play)
