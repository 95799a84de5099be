"""Every number on a command line has bounds, and a number outside them is wrong use."""

import math
from argparse import Namespace
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from common.bounded_numbers import Count, Number
from dogfood.cli import cli
from dogfood.cli_examples import every_command
from traffic.locust_run.bounds import BOUNDS, BoundError, check_numbers


def numbers() -> Iterator[tuple[tuple[str, ...], click.Parameter]]:
    for name, command in every_command(cli):
        for parameter in command.params:
            if isinstance(parameter.type, click.types.IntParamType | click.types.FloatParamType):
                yield tuple(name.split()), parameter


def test_every_number_is_bounded_on_both_sides() -> None:
    items = list(numbers())
    assert len(items) > 40
    unbounded = [
        (path, parameter.name)
        for path, parameter in items
        if not isinstance(parameter.type, Count | Number) or None in (parameter.type.min, parameter.type.max)
    ]
    assert unbounded == []


@pytest.mark.parametrize("value", ["-3", "nan", "inf", "-inf", "1e400", "9" * 400, "x", "", "0x10", "1_0.0.0"])
def test_numbers_outside_their_bounds_are_refused(value: str) -> None:
    for path, parameter in numbers():
        done = CliRunner().invoke(cli, [*path, f"{parameter.opts[-1]}={value}"])
        assert done.exit_code == 2, (path, parameter.opts, done.output, done.exception)
        assert isinstance(done.exception, SystemExit), (path, parameter.opts)


@pytest.mark.parametrize("value", ["-3s", "nan", "9" * 400 + "s", "1e9h", "10", "999999999h"])
def test_watch_refuses_durations_beyond_a_year(value: str) -> None:
    assert CliRunner().invoke(cli, ["watch", f"--for={value}"]).exit_code == 2


@pytest.mark.parametrize("text", ["p99=" + "9" * 400 + "ms", "lost=" + "9" * 400, "errors=nan"])
def test_objectives_beyond_all_bounds_are_refused(text: str) -> None:
    done = CliRunner().invoke(cli, ["capacity", "soak", "--rate", "1", "--slo", text])
    assert "ObjectiveError" in repr(done.exception)


@pytest.mark.parametrize("name", BOUNDS)
@pytest.mark.parametrize("value", [-3, -0.5, math.nan, math.inf, 10**30, "x", [], "-1"])
def test_locusts_numbers_have_bounds(name: str, value: object) -> None:
    with pytest.raises(BoundError, match="choose a number from"):
        check_numbers(Namespace(**{name: value}))


def test_no_connections_are_wrong_use() -> None:
    with pytest.raises(BoundError, match="--max-connections is 0"):
        check_numbers(Namespace(max_connections=0))


def test_usual_options_of_locust_pass() -> None:
    check_numbers(Namespace(num_users=None, max_connections=1000, seed=1, time_scale="1.0", run_time=None, epoch=0))
