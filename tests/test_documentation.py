"""What is documented is there, and what is there is documented."""

import re
from dataclasses import fields
from pathlib import Path

import click

from analysis.checks import CHECKS
from dogfood.cli import cli
from run_record.target import Target

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_check_has_its_paragraph() -> None:
    text = (ROOT / "docs" / "checks.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^## ([a-z-]+)$", text, flags=re.MULTILINE))
    assert documented == {check.name for check in CHECKS}


def test_every_command_of_the_readme_exists_with_its_options() -> None:
    used = re.findall(r"^dogfood ([a-z]+)([^#|\n]*)", README, flags=re.MULTILINE)
    assert len(used) >= 4
    for name, rest in used:
        command = cli.commands[name]
        known = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= known, name


def test_every_option_of_the_command_line_has_help() -> None:
    for command in cli.commands.values():
        assert command.help
        for parameter in command.params:
            assert not isinstance(parameter, click.Option) or parameter.help, (command.name, parameter.name)


def test_every_field_of_a_target_is_in_the_local_one() -> None:
    text = (ROOT / "targets" / "local.toml").read_text(encoding="utf-8")
    assert {item.name for item in fields(Target)} - {"name"} == set(re.findall(r"^(\w+) =", text, flags=re.MULTILINE))


def test_every_folder_on_the_map_is_there_and_every_room_is_on_it() -> None:
    mapped = set(re.findall(r"^\| `([a-z_]+)/` \|", README, flags=re.MULTILINE))
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert mapped == rooms | {"targets"}
