"""`dogfood doctor`: what a machine and a target lack, and what to do about it."""

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

from contracts.assignment import Generation
from dogfood.commands.options import AS_JSON, RUNS, TESTBED
from dogfood.console import new_console
from dogfood.doctor.accounts import examine_accounts
from dogfood.doctor.diagnosis import Condition, Diagnosis, exit_code, missing, unknown
from dogfood.doctor.log_in import examine_log_in
from dogfood.doctor.machine import examine_machine, examine_testbed
from dogfood.doctor.systems import Probe, examine_systems
from dogfood.run_request import LOCAL
from dogfood.testbed_control.seed import accounts_file
from dogfood.testbed_control.services import Testbed
from personas.example_experiment import EXPERIMENT
from run_record.target import Target, TargetError

_MARKS = {Condition.FINE: ("✓", "green"), Condition.MISSING: ("✗", "red"), Condition.UNKNOWN: ("–", "dim")}


@click.command(epilog="Exit codes: 0 nothing is missing, 1 something is, 2 wrong use.")
@click.option("--target", "name", default=LOCAL, show_default=True, help="A file in targets/, or a path to one.")
@TESTBED
@RUNS
@click.option("--generation", type=click.Choice([str(item) for item in Generation]), default=str(Generation.ALPHA),
              show_default=True, help="Release of the platform: config shape, schema, assignment.")  # fmt: skip
@click.option("--experiment", default=EXPERIMENT, show_default=True, help="Slug in MPIC.")
@click.option("--instrument", default="", help="Slug in MPIC; default: the experiment's.")
@click.option("--wiki", default="testwiki", show_default=True, help="Database name; selects the sample rate.")
@click.option("--accounts", type=click.Path(path_type=Path, dir_okay=False),
              help="File of the wiki's test accounts; default: the testbed's own.")  # fmt: skip
@click.option("--account", default="",
              help="Tell the group of this account, and log it in to see whether the wiki knows it by the same ids; "
                   "default: count all by group.")  # fmt: skip
@click.option("--confirm", default="", metavar="TARGET",
              help="Repeat the target's name; required by --account and --probe on a production target.")  # fmt: skip
@click.option("--probe/--no-probe", default=None,
              help="Post an event that the intake has to refuse, to see whether it knows the schema. "
                   "Default: only on the testbed.")  # fmt: skip
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
    probe: bool | None,
    as_json: bool,
) -> None:
    """Examine this machine and a target: what is missing for a run, and what to do about it."""
    testbed = Testbed(folder)
    local = name == LOCAL
    probing = local if probe is None else probe
    question = Probe(Generation(generation), experiment, instrument or experiment, wiki, datetime.now(UTC), probing)
    if probe or account:
        _refuse_unconfirmed(name, confirm)
    diagnoses = list(examine_machine(folder, runs))
    if local:
        diagnoses += examine_testbed(testbed)
    file = accounts or (accounts_file(testbed.wiki_dir) if local else None)
    diagnoses += _target(name, testbed if local else None, question, file, account, confirm)
    if as_json:
        click.echo(orjson.dumps([item._asdict() for item in diagnoses], option=orjson.OPT_INDENT_2))
    else:
        _show(diagnoses)
    sys.exit(exit_code(diagnoses))


def _refuse_unconfirmed(name: str, confirm: str) -> None:
    """Refuse to send to a production target without its name. Raises TargetError."""
    try:
        target = Target.read(name)
    except TargetError:
        # Reported with everything else that is missing.
        return
    target.confirmed(confirm)


def _target(
    name: str, testbed: Testbed | None, question: Probe, accounts: Path | None, account: str, confirm: str
) -> Iterator[Diagnosis]:
    """Yield how the target *name* is; its systems are those of *testbed* unless that is None."""
    try:
        target = Target.read(name)
    except TargetError as error:
        yield missing("target", name, str(error), "put the file right", "docs/reference/targets.md")
        return
    if testbed is not None:
        addresses = {service: testbed.url(service) for service in ("mpic", "intake", "wiki")}
        if addresses["mpic"] is None or addresses["intake"] is None:
            yield unknown("target", name, "not asked, as its MPIC and intake do not run", "dogfood up")
            return
        intake = f"{addresses['intake']}/v1/events"
        target = replace(target.at(intake=intake, mpic=addresses["mpic"]), wiki=addresses["wiki"] or "")
    try:
        egress = target.egress(confirm=confirm)
    except TargetError as error:
        yield missing(
            "target", name, str(error), "put the target or the name service right", "docs/reference/targets.md"
        )
        return
    systems = examine_systems(target, question, egress)
    yield from systems.diagnoses
    if accounts is not None:
        log_in = partial(examine_log_in, target=target, egress=egress)
        yield from examine_accounts(accounts, systems.experiment, question.wiki, account, log_in)
    else:
        yield unknown("accounts", "file", "none named", "name one with --accounts FILE", "docs/guide/testwiki.md")


def _show(diagnoses: list[Diagnosis]) -> None:
    table = Table(box=None, padding=(0, 1), show_header=False)
    for column in ("mark", "area", "subject"):
        table.add_column(column, no_wrap=True)
    table.add_column("told", overflow="fold")
    for item in diagnoses:
        mark, colour = _MARKS[item.condition]
        told = Text(item.told)
        if item.remedy:
            told.append(f"\n→ {item.remedy}", style="bold" if item.condition is Condition.MISSING else "dim")
        if item.page and item.condition is Condition.MISSING:
            told.append(f"\n  see {item.page}", style="dim")
        table.add_row(Text(mark, style=colour), item.area, item.subject, told)
    console = new_console()
    console.print(table)
    count = sum(item.condition is Condition.MISSING for item in diagnoses)
    console.print(f"{count} missing" if count else "nothing is missing", style="bold red" if count else "bold green")
