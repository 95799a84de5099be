"""Renamed options: the old names still work, and nothing shows them."""

import click
import pytest
from click.testing import CliRunner

from dogfood.cli import cli
from dogfood.cli_examples import every_command
from dogfood.commands.options import RenamedOption

COMMANDS = dict(every_command(cli))

#: Command, new name, old name, value, parameter.
RENAMED = [
    ("run", "--max-connections", "--users", "8", "max_connections"),
    ("analyse", "--min-imbalance", "--floor", "0.01", "min_imbalance"),
    ("power", "--sample-rate", "--rate", "0.1", "sample_rate"),
    ("doctor", "--send-canary", "--probe", None, "send_canary"),
    ("doctor", "--no-send-canary", "--no-probe", None, "send_canary"),
    ("capacity search", "--step", "--probe", "3s", "step"),
    ("capacity search", "--tolerance", "--precision", "0.2", "tolerance"),
    *((f"capacity {name}", "--warm-up", "--settle", "1s", "warm_up") for name in ("search", "soak", "spike")),
]

_REQUIRED = {"analyse": ["latest"], "capacity soak": ["--rate", "1"], "capacity spike": ["--rate", "1"]}


@pytest.mark.parametrize(("name", "new", "old", "value", "parameter"), RENAMED)
def test_old_name_sets_the_parameter(name: str, new: str, old: str, value: str | None, parameter: str) -> None:
    command = COMMANDS[name]
    values = [value] if value is not None else []
    contexts = [command.make_context(name, [*_REQUIRED.get(name, []), option, *values]) for option in (new, old)]
    default = command.make_context(name, _REQUIRED.get(name, [])).params[parameter]
    assert contexts[0].params == contexts[1].params
    assert contexts[0].params[parameter] != default


@pytest.mark.parametrize(("name", "new", "old", "value", "parameter"), RENAMED)
def test_help_shows_only_the_new_name(name: str, new: str, old: str, value: str | None, parameter: str) -> None:
    text = COMMANDS[name].get_help(click.Context(COMMANDS[name]))
    assert new in text
    assert f"{old} " not in text


def test_every_renamed_option_is_tested() -> None:
    options = {
        (name, option.name)
        for name, command in COMMANDS.items()
        for option in command.params
        if isinstance(option, RenamedOption) and name != "capacity"
    }
    assert options == {(row[0], row[-1]) for row in RENAMED}


def test_unknown_option_is_still_refused() -> None:
    assert CliRunner().invoke(cli, ["power", "--ratio", "1"]).exit_code == 2
