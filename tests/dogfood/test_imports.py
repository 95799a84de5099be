"""A command that answers from what it knows imports nothing that computes, renders or drives a browser."""

import subprocess
import sys

import pytest

HEAVY = (
    "duckdb",
    "pyarrow",
    "numpy",
    "scipy",
    "scipy.stats",
    "scipy.optimize",
    "locust",
    "gevent",
    "playwright",
    "plotly",
    "pandas",
    "httpx",
)

_CODE = """
import sys
from dogfood.cli import cli
try:
    cli.main({arguments!r}, standalone_mode=False)
except SystemExit:
    pass
print("heavy:", *(name for name in {heavy!r} if name in sys.modules), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["--help"], ()),
        (["completion", "bash"], ()),
        (["checks"], ()),
        (["faults", "--list"], ()),
        (["power", "--help"], ()),
        (["power"], ("numpy", "scipy")),
        (["capacity", "--help"], ()),
        (["capacity", "plan", "--pageviews", "1000"], ()),
    ],
    ids=["help", "completion", "checks", "faults-list", "power-help", "power", "capacity-help", "capacity-plan"],
)
def test_a_static_command_imports_only_what_it_needs(arguments: list[str], allowed: tuple[str, ...]) -> None:
    code = _CODE.format(arguments=arguments, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=240)
    assert done.stdout
    output = next(line for line in done.stderr.splitlines() if line.startswith("heavy:"))
    assert set(output.split()[1:]) <= set(allowed)


def test_the_list_of_commands_has_their_own_words() -> None:
    import click

    from dogfood.cli import cli
    from dogfood.commands.lazy_group import LazyGroup

    context = click.Context(cli)
    assert isinstance(cli, LazyGroup)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        assert cli.stub(name).get_short_help_str(60) == command.get_short_help_str(60)
