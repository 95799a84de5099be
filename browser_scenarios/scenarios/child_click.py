"""A click on a child of the element counts as one click on the element."""

from browser_scenarios.click_steps import click_counts_once
from browser_scenarios.context import ScenarioContext
from browser_scenarios.scenario import Scenario

_ADD_CHILD = """(selector) => {
    const child = document.createElement('span');
    child.id = 'dogfood-child';
    child.textContent = ' ⚑';
    document.querySelector(selector).appendChild(child);
}"""


async def play(context: ScenarioContext) -> None:
    """Add a child to the element, and click it."""
    await click_counts_once(context, _ADD_CHILD, "#dogfood-child")


SCENARIO = Scenario("child-click", "Does a click on a child of the element count once?", play)
