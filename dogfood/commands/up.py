"""`dogfood up`: start the testbed."""

from pathlib import Path

import click

from common.bounded_numbers import Count
from common.errors import DogfoodError
from dogfood.commands.options import TESTBED
from dogfood.commands.status import show_status
from dogfood.faults.switches import switch_faults
from dogfood.testbed_control.seed import seed
from dogfood.testbed_control.services import ALL_NAMES, NAMES, Testbed, WikiOptions
from dogfood.testbed_control.stream import StreamKind, chosen


@click.command()
@TESTBED
@click.option("--mpic-port", type=Count(1, 65535), metavar="PORT", show_default="8086", help="Port of MPIC.")
@click.option("--intake-port", type=Count(1, 65535), metavar="PORT", show_default="8192", help="Port of the intake.")
@click.option("--wiki-port", type=Count(1, 65535), metavar="PORT", show_default="8080", help="Port of the wiki.")
@click.option("--kafka-port", type=Count(1, 65535), metavar="PORT", show_default="9092", help="Port of Kafka.")
@click.option("--stream", type=click.Choice([str(kind) for kind in StreamKind]),
              show_default="the last choice, at first segments",
              help="Carrier of the stream: segment files, or a Kafka that the testbed starts.")  # fmt: skip
@click.option("--kafka", default="", envvar="DOGFOOD_KAFKA", show_envvar=True, metavar="HOST:PORT",
              help="Bootstrap servers of a running Kafka to use instead.")  # fmt: skip
@click.option("--only", type=click.Choice(ALL_NAMES), multiple=True, help="Start only this service. Repeatable.")
@click.option("--mediawiki", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="FOLDER",
              show_default="Debian's package, unpacked", help="Unpacked MediaWiki 1.43 or newer.")  # fmt: skip
@click.option("--extensions", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="FOLDER",
              show_default="the testbed's", help="Clones of the real extensions.")  # fmt: skip
@click.option("--intake", default="", metavar="URL", show_default="the testbed's",
              help="Address of a running intake for the wiki's events.")  # fmt: skip
@click.option("--fault", "faults", multiple=True, metavar="ID[,ID]",
              help="Switch on a fault of the catalogue (`dogfood faults --list`). Repeatable.")  # fmt: skip
def up(
    folder: Path,
    faults: tuple[str, ...],
    stream: str | None,
    kafka: str,
    only: tuple[str, ...],
    mediawiki: Path | None,
    extensions: Path | None,
    intake: str,
    **port_options: int | None,
) -> None:
    """Start the testbed on this machine: MPIC, the intake, TestWiki and, with --stream kafka, Kafka."""
    ports = {name.removesuffix("_port"): port for name, port in port_options.items() if port is not None}
    testbed = Testbed(folder, WikiOptions(mediawiki, extensions, intake))
    with testbed.locked():
        switch_faults(testbed, [name.strip() for word in faults for name in word.split(",") if name.strip()])
        choice = chosen(stream, kafka)
        if choice is not None:
            testbed.use_stream(choice)
        if "kafka" in only and not testbed.stream.own_broker:
            raise DogfoodError(f"the testbed in {folder} does not start a Kafka; add --stream kafka")
        testbed.up(ports, only or NAMES)
        seed(testbed)
    show_status(testbed, as_json=False)
