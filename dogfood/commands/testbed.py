"""Commands of the testbed: `up`, `down`, `status`."""

from pathlib import Path

import click
import orjson
from rich.table import Table
from rich.text import Text

from common.bounded_numbers import Count
from common.errors import DogfoodError
from dogfood.commands.options import AS_JSON, TESTBED
from dogfood.console import new_console, say
from dogfood.faults.switches import switch_faults
from dogfood.testbed_control.seed import seed
from dogfood.testbed_control.services import ALL_NAMES, NAMES, Testbed, WikiOptions
from dogfood.testbed_control.stream import StreamKind, chosen


@click.command()
@TESTBED
@click.option("--mpic-port", type=Count(1, 65535), help="Default: 8086.")
@click.option("--intake-port", type=Count(1, 65535), help="Default: 8192.")
@click.option("--wiki-port", type=Count(1, 65535), help="Default: 8080.")
@click.option("--kafka-port", type=Count(1, 65535), help="Default: 9092.")
@click.option("--stream", type=click.Choice([str(kind) for kind in StreamKind]),
              help="What carries the stream: files, or a Kafka of the testbed's own. Kept; else segments.")  # fmt: skip
@click.option("--kafka", default="", envvar="DOGFOOD_KAFKA", show_envvar=True, metavar="HOST:PORT",
              help="Bootstrap servers of a Kafka that runs already, to use instead.")  # fmt: skip
@click.option("--only", type=click.Choice(ALL_NAMES), multiple=True, help="Start only this service. Repeatable.")
@click.option(
    "--mediawiki",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Unpacked MediaWiki 1.43 or newer; default: Debian's package, unpacked.",
)
@click.option(
    "--extensions",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Clones of the real extensions, to use instead of the testbed's own.",
)
@click.option("--intake", default="", help="Address of an intake that is running already, for the wiki's events.")
@click.option("--fault", "faults", multiple=True, metavar="ID[,ID]",
              help="Let something go wrong: an id of the catalogue (`dogfood faults --list`). Repeatable.")  # fmt: skip
def up(
    folder: Path,
    faults: tuple[str, ...],
    stream: str | None,
    kafka: str,
    only: tuple[str, ...],
    mediawiki: Path | None,
    extensions: Path | None,
    intake: str,
    **ports: int | None,
) -> None:
    """Start the testbed: MPIC, the intake and TestWiki, and Kafka if asked for, on this machine only."""
    asked = {name.removesuffix("_port"): port for name, port in ports.items() if port is not None}
    testbed = Testbed(folder, WikiOptions(mediawiki, extensions, intake))
    with testbed.locked():
        switch_faults(testbed, [name.strip() for word in faults for name in word.split(",") if name.strip()])
        choice = chosen(stream, kafka)
        if choice is not None:
            testbed.use_stream(choice)
        if "kafka" in only and not testbed.stream.own_broker:
            raise DogfoodError(f"the testbed in {folder} has no Kafka of its own: add --stream kafka")
        testbed.up(asked, only or NAMES)
        seed(testbed)
    _show_status(testbed, as_json=False)


@click.command()
@TESTBED
def down(folder: Path) -> None:
    """Stop the testbed, and switch its faults off. Its data stays."""
    testbed = Testbed(folder)
    with testbed.locked():
        stopped = testbed.down()
        switch_faults(testbed, ())
    say(f"stopped {', '.join(stopped)}" if stopped else "nothing was running")


@click.command()
@TESTBED
@AS_JSON
def status(folder: Path, as_json: bool) -> None:
    """Show which services run, on which port, healthy or not."""
    _show_status(Testbed(folder), as_json=as_json)


def _show_status(testbed: Testbed, *, as_json: bool) -> None:
    states = testbed.status()
    if as_json:
        click.echo(orjson.dumps([state._asdict() for state in states]))
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("service", "health", "address", "pid", "log"):
        table.add_column(name, overflow="fold")
    for state in states:
        colour = {"healthy": "green", "stopped": "dim"}.get(state.health, "red")
        table.add_row(
            state.name, Text(state.health, colour), state.address or "–", str(state.pid or "–"), state.log or "–"
        )
    console = new_console()
    console.print(table)
    if testbed.faults:
        console.print(Text.assemble(("switched on to go wrong:", "red"), f" {', '.join(testbed.faults)}"))
