"""`dogfood browse`: scenarios in real browsers, as a run."""

from pathlib import Path

import click

from browser_scenarios.scenarios import SCENARIOS
from common.bounded_numbers import Count
from dogfood.commands.options import EXIT_CODES, RUNS, TESTBED
from dogfood.commands.run import run_and_report, systems_options
from dogfood.commands.traffic_options import traffic_options
from dogfood.run.request import BrowserOptions, RunRequest
from dogfood.testbed_control.services import Testbed
from run_record.roster import Fidelity
from traffic.locust_run.options import TrafficOptions


@click.command(epilog=EXIT_CODES)
@TESTBED
@RUNS
@traffic_options
@systems_options
@click.option("--scenario", "scenarios", type=click.Choice(list(SCENARIOS)), multiple=True, show_default="all",
              help="Play only this scenario. Repeatable.")  # fmt: skip
@click.option("--users", type=Count(1, 10_000), metavar="NUMBER", default=8, show_default=True,
              help="Users, or funnels, of a scenario that does not fix their number.")  # fmt: skip
@click.option("--concurrency", type=Count(1, 32), metavar="SESSIONS", default=3, show_default=True,
              help="Maximum concurrent browser sessions.")  # fmt: skip
@click.option("--journeys", type=Count(1, 1000), metavar="NUMBER", default=1, show_default=True,
              help="Times that a user of the scenario ctr views its pages (at most 3) in one session.")  # fmt: skip
@click.option("--headed", is_flag=True, help="Show the browser's windows.")
def browse(
    folder: Path,
    runs: Path,
    scenarios: tuple[str, ...],
    users: int,
    concurrency: int,
    journeys: int,
    headed: bool,
    accounts: Path | None,
    **traffic: object,
) -> None:
    """Play scenarios in real browsers, as a separate run."""
    options = TrafficOptions(**traffic)  # type: ignore[arg-type]
    browser = BrowserOptions(scenarios, users, concurrency, headed, journeys)
    run_and_report(
        RunRequest(runs, Testbed(folder), options, (Fidelity.BROWSER,), browser=browser, accounts=accounts),
    )
