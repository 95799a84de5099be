"""`dogfood real`: one table of what works with the real extensions and the real intake."""

import sys
from dataclasses import asdict
from pathlib import Path

import click
import orjson
from rich.table import Table
from rich.text import Text

from analysis.verdict import Verdict
from browser_scenarios.scenarios import SCENARIOS
from common.atomic_write import atomic_write
from common.bounded_numbers import Count
from common.errors import DogfoodError
from dogfood.commands.options import AS_JSON, EXIT_CODES, read_fidelities
from dogfood.commands.traffic_options import traffic_options
from dogfood.console import new_console
from dogfood.real.result_table import Row, decide
from dogfood.real.run_all import RealParts, run_all, with_intake
from dogfood.run.request import BrowserOptions
from dogfood.testbed_control.seed import WIKI_ACCOUNTS, seed
from dogfood.testbed_control.services import Testbed, WikiOptions
from run_record.roster import Fidelity
from traffic.locust_run.options import TrafficOptions

_COLOURS = {Verdict.GO: "green", Verdict.NO_GO: "red", Verdict.INCONCLUSIVE: "yellow", Verdict.INVALID: "magenta"}


@click.command(epilog=EXIT_CODES)
@click.option("--extensions", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
              show_default="the testbed's", help="Clones of the real extensions.")  # fmt: skip
@click.option("--intake", default="", metavar="URL", show_default="the testbed's",
              help="Address of a running real intake.")  # fmt: skip
@click.option("--observed", type=click.Path(path_type=Path), metavar="PATH",
              help="File or folder that the real intake writes; required with --intake.")  # fmt: skip
@click.option("--mediawiki", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="FOLDER",
              show_default="Debian's package, unpacked", help="Unpacked MediaWiki 1.43 or newer.")  # fmt: skip
@click.option("--testbed", "folder", type=click.Path(path_type=Path, file_okay=False), default=Path(".testbed/real"),
              show_default=True, help="Folder of a testbed for these parts.")  # fmt: skip
@click.option("--runs", type=click.Path(path_type=Path, file_okay=False), default=Path("runs/real"), show_default=True,
              help="Folder of the runs.")  # fmt: skip
@click.option("--mpic-port", type=Count(1, 65535), metavar="PORT", show_default="8086", help="Port of MPIC.")
@click.option("--intake-port", type=Count(1, 65535), metavar="PORT", show_default="8192", help="Port of the intake.")
@click.option("--wiki-port", type=Count(1, 65535), metavar="PORT", show_default="8080", help="Port of the wiki.")
@click.option("--experiment", default="", metavar="SLUG", show_default="the kit's, created there",
              help="Experiment in MPIC.")  # fmt: skip
@click.option("--instrument", default="", metavar="SLUG", show_default="the experiment's", help="Instrument in MPIC.")
@click.option("--fidelity", "fidelities", metavar="LIST", default=",".join(Fidelity), show_default=True,
              callback=read_fidelities, help="Fidelities to make a run of, with commas.")  # fmt: skip
@click.option("--sessions", type=Count(1, 1_000_000), metavar="ACCOUNTS", default=WIKI_ACCOUNTS, show_default=True,
              help="Accounts that visit the wiki without a browser.")  # fmt: skip
@click.option("--browsers", type=Count(1, 10_000), metavar="ACCOUNTS", default=9, show_default=True,
              help="Accounts that visit the wiki in a browser.")  # fmt: skip
@click.option("--scenario", "scenarios", type=click.Choice(list(SCENARIOS)), multiple=True, show_default="all",
              help="Play only this scenario. Repeatable.")  # fmt: skip
@traffic_options
@AS_JSON
def real(
    extensions: Path | None,
    intake: str,
    observed: Path | None,
    mediawiki: Path | None,
    folder: Path,
    runs: Path,
    mpic_port: int | None,
    intake_port: int | None,
    wiki_port: int | None,
    fidelities: tuple[Fidelity, ...],
    sessions: int,
    browsers: int,
    scenarios: tuple[str, ...],
    as_json: bool,
    **traffic: object,
) -> None:
    """Test the real extensions and the real intake, and print one table of what passed and what failed.

    Starts a testbed with them, examines it (doctor), makes one run per fidelity, plays all scenarios, and calibrates.
    Writes the table to the runs' folder too, as `real.json`.
    """
    if bool(intake) is not (observed is not None):
        raise DogfoodError(
            "--intake and --observed need each other: the rows of another intake are in the files that it writes"
        )
    if extensions is not None and not extensions.is_dir():
        raise DogfoodError(f"{extensions} is not a folder; name the folder of the clones with --extensions")
    options = with_intake(TrafficOptions(**traffic), intake)  # type: ignore[arg-type]
    testbed = Testbed(folder, WikiOptions(mediawiki, extensions, options.intake))
    ports = {"mpic": mpic_port, "intake": intake_port, "wiki": wiki_port}
    testbed.up({name: port for name, port in ports.items() if port is not None})
    seed(testbed)
    parts = RealParts(testbed, runs, options, observed, fidelities, sessions, BrowserOptions(scenarios, browsers))
    rows = list(run_all(parts, new_console(stderr=True)))
    verdict = decide(rows)
    content = {"verdict": verdict, "asked": asdict(options), "rows": [row.to_json() for row in rows]}
    runs.mkdir(parents=True, exist_ok=True)
    atomic_write(runs / "real.json", orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    if as_json:
        click.echo(orjson.dumps(content, option=orjson.OPT_INDENT_2))
    else:
        _show(rows, verdict)
    sys.exit(verdict.exit_code)


def _show(rows: list[Row], verdict: Verdict) -> None:
    console = new_console()
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("part", "subject", "verdict", "what", "run"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(row.part, row.subject, Text(row.verdict, _COLOURS[row.verdict]), Text(row.summary), row.run)
    console.print(table)
    passed = sum(row.verdict is Verdict.GO for row in rows)
    console.print(Text.assemble((verdict, _COLOURS[verdict]), f": {passed} of {len(rows)} rows passed"))
