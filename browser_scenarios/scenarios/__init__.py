"""All scenarios by name, in playing order."""

from browser_scenarios.scenario import Scenario
from browser_scenarios.scenarios import (
    anonymous,
    api,
    child_click,
    ctr,
    double_start,
    dwell,
    early_exit,
    mpic_failures,
    mpic_ui,
    override,
    partial_view,
    ramp_up,
    stickiness,
    stop_propagation,
    switched_off,
)

SCENARIOS: dict[str, Scenario] = {
    module.SCENARIO.name: module.SCENARIO
    for module in (
        api, ctr, dwell, early_exit, partial_view, child_click, stop_propagation, double_start, stickiness, anonymous,
        override, switched_off, ramp_up, mpic_failures, mpic_ui,
    )
}  # fmt: skip
