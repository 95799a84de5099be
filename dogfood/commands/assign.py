"""`dogfood assign`: the assignment of users in NDJSON, by the platform's contract."""

import sys
from collections.abc import Iterable, Iterator, Mapping

import click
import orjson

from common.errors import DogfoodError
from contracts.assignment import Assignment
from contracts.assignment import assign as assign_user
from contracts.generation import Generation
from dogfood.console import reader_left


@click.command()
def assign() -> None:
    """Add hash, in_sample, group and subject_id to NDJSON of {generation, user_id, experiment, groups, rate}."""
    for line in assign_lines(sys.stdin.buffer):
        if reader_left():
            return
        sys.stdout.buffer.write(line)


def assign_lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield each line with `hash`, `in_sample`, `group` and `subject_id` added; skip blank lines.

    Raises:
        DogfoodError: a line is not a JSON object, or a field is missing or of the wrong type; it names the line.
    """
    for number, line in enumerate(lines, start=1):
        if line.strip():
            row, assignment = _read(number, line)
            fields = {
                "hash": assignment.hash,
                "in_sample": assignment.in_sample,
                "group": assignment.group,
                "subject_id": assignment.subject_id,
            }
            yield orjson.dumps({**row, **fields}, option=orjson.OPT_APPEND_NEWLINE)


def _read(number: int, line: bytes) -> tuple[Mapping[str, object], Assignment]:
    try:
        row = orjson.loads(line)
        if not isinstance(row, dict):
            raise TypeError("not a JSON object")
        user_id, name, groups, rate = row["user_id"], row["experiment"], row["groups"], row["rate"]
        if isinstance(user_id, bool) or not isinstance(user_id, int):
            raise TypeError("user_id has to be a whole number")
        if not isinstance(name, str) or not isinstance(groups, list) or not all(isinstance(g, str) for g in groups):
            raise TypeError("experiment has to be a string and groups a list of strings")
        if isinstance(rate, bool) or not isinstance(rate, int | float):
            raise TypeError("rate has to be a number")
        return row, assign_user(Generation(row["generation"]), user_id, name, groups, rate)
    except KeyError as error:
        raise DogfoodError(f"line {number}: {error.args[0]!r} is missing") from error
    except (TypeError, ValueError) as error:
        raise DogfoodError(f"line {number}: {error}") from error
