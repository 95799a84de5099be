"""`dogfood down`: stop the testbed."""

from pathlib import Path

import click

from dogfood.commands.options import TESTBED
from dogfood.console import say
from dogfood.faults.switches import switch_faults
from dogfood.testbed_control.services import Testbed


@click.command()
@TESTBED
def down(folder: Path) -> None:
    """Stop the testbed and switch its faults off; keep its data."""
    testbed = Testbed(folder)
    with testbed.locked():
        stopped = testbed.down()
        switch_faults(testbed, ())
    say(f"stopped {', '.join(stopped)}" if stopped else "nothing was running")
