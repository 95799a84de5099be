"""`dogfood doctor`: what this machine and a target lack for a run, and how to fix it."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click
import orjson
from rich.table import Table
from rich.text import Text

from contracts.generation import Generation
from dogfood.commands.options import AS_JSON, RUNS, TESTBED, RenamedOption
from dogfood.console import new_console
from dogfood.doctor.accounts import examine_accounts
from dogfood.doctor.diagnosis import Condition, Diagnosis, exit_code, missing, unknown
from dogfood.doctor.log_in import examine_log_in
from dogfood.doctor.machine import examine_machine, examine_testbed
from dogfood.doctor.systems import RunNeeds, examine_systems
from dogfood.run.request import LOCAL
from dogfood.testbed_control.seed import accounts_file
from dogfood.testbed_control.services import Testbed
from personas.example_experiment import EXPERIMENT
from run_record.target import Target, TargetError

_MARKS = {Condition.FINE: ("✓", "green"), Condition.MISSING: ("✗", "red"), Condition.UNKNOWN: ("–", "dim")}


@click.command(epilog="Exit codes: 0 nothing is missing, 1 something is missing, 2 wrong use.")
@click.option("--target", "name", metavar="TARGET", default=LOCAL, show_default=True,
              help="Target: a file in targets/, or a path to one.")  # fmt: skip
@TESTBED
@RUNS
@click.option("--generation", type=click.Choice([str(item) for item in Generation]), default=str(Generation.ALPHA),
              show_default=True, help="Release of the platform: shape of the configs, schema, assignment.")  # fmt: skip
@click.option("--experiment", metavar="SLUG", default=EXPERIMENT, show_default=True, help="Experiment in MPIC.")
@click.option("--instrument", default="", metavar="SLUG", show_default="the experiment's", help="Instrument in MPIC.")
@click.option("--wiki", metavar="DATABASE", default="testwiki", show_default=True,
              help="Database name of the wiki; selects the sample rate.")  # fmt: skip
@click.option("--accounts", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              show_default="the testbed's", help="Test accounts of the wiki.")  # fmt: skip
@click.option("--account", default="", metavar="NAME", show_default="count all accounts by group",
              help="Show the group of this account, log it in, and compare its ids with the wiki's.")  # fmt: skip
@click.option("--confirm", default="", metavar="TARGET",
              help="Repeat the target's name; required by --account and --send-canary in production.")  # fmt: skip
@click.option("--send-canary/--no-send-canary", cls=RenamedOption, old="--probe/--no-probe", default=None,
              show_default="only on the testbed",
              help="Post an event that the intake has to refuse, to check whether it knows the schema.")  # fmt: skip
@AS_JSON
def doctor(
    name: str,
    folder: Path,
    runs: Path,
    generation: str,
    experiment: str,
    instrument: str,
    wiki: str,
    accounts: Path | None,
    account: str,
    confirm: str,
    send_canary: bool | None,
    as_json: bool,
) -> None:
    """Examine this machine and a target: what a run lacks, and how to fix it."""
    testbed = Testbed(folder)
    local = name == LOCAL
    needs = RunNeeds(
        Generation(generation), experiment, instrument or experiment, wiki, datetime.now(UTC),
        send_canary=local if send_canary is None else send_canary,
    )  # fmt: skip
    if send_canary or account:
        _refuse_unconfirmed(name, confirm)
    diagnoses = list(examine_machine(folder, runs))
    if local:
        diagnoses += examine_testbed(testbed)
    file = accounts or (accounts_file(testbed.wiki_dir) if local else None)
    diagnoses += _target(name, testbed if local else None, needs, file, account, confirm)
    if as_json:
        click.echo(orjson.dumps([item.to_json() for item in diagnoses], option=orjson.OPT_INDENT_2))
    else:
        _show(diagnoses)
    sys.exit(exit_code(diagnoses))


def _refuse_unconfirmed(name: str, confirm: str) -> None:
    """Refuse to send to a production target that is not confirmed. Raises TargetError."""
    try:
        target = Target.read(name)
    except TargetError:
        # Reported with everything else that is missing.
        return
    target.confirmed(confirm)


def _target(
    name: str, testbed: Testbed | None, needs: RunNeeds, accounts: Path | None, account: str, confirm: str
) -> Iterator[Diagnosis]:
    """Examine the target *name*; its systems are those of *testbed*, if given."""
    try:
        target = Target.read(name)
    except TargetError as error:
        yield missing("target", name, str(error), "correct the file", "docs/reference/targets.md")
        return
    if testbed is not None:
        addresses = {service: testbed.url(service) for service in ("mpic", "intake", "wiki")}
        if addresses["mpic"] is None or addresses["intake"] is None:
            yield unknown("target", name, "not examined: its MPIC and intake do not run", "dogfood up")
            return
        intake = f"{addresses['intake']}/v1/events"
        target = replace(target.at(intake=intake, mpic=addresses["mpic"]), wiki=addresses["wiki"] or "")
    try:
        egress = target.egress(confirm=confirm)
    except TargetError as error:
        yield missing("target", name, str(error), "correct the target or the name service", "docs/reference/targets.md")
        return
    systems = examine_systems(target, needs, egress)
    yield from systems.diagnoses
    if accounts is not None:
        log_in = partial(examine_log_in, target=target, egress=egress)
        yield from examine_accounts(accounts, systems.experiment, needs.wiki, account, log_in)
    else:
        yield unknown("accounts", "file", "no file given", "name one with --accounts FILE", "docs/guide/testwiki.md")


def _show(diagnoses: list[Diagnosis]) -> None:
    table = Table(box=None, padding=(0, 1), show_header=False)
    for column in ("mark", "area", "subject"):
        table.add_column(column, no_wrap=True)
    table.add_column("summary", overflow="fold")
    for item in diagnoses:
        mark, colour = _MARKS[item.condition]
        summary = Text(item.summary)
        if item.remedy:
            summary.append(f"\n→ {item.remedy}", style="bold" if item.condition is Condition.MISSING else "dim")
        if item.page and item.condition is Condition.MISSING:
            summary.append(f"\n  see {item.page}", style="dim")
        table.add_row(Text(mark, style=colour), item.area, item.subject, summary)
    console = new_console()
    console.print(table)
    count = sum(item.condition is Condition.MISSING for item in diagnoses)
    console.print(f"{count} missing" if count else "nothing is missing", style="bold red" if count else "bold green")
