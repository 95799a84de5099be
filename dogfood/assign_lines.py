"""`dogfood assign`: the contract's assignment for lines of JSON."""

from collections.abc import Iterable, Iterator, Mapping

import orjson

from common.errors import DogfoodError
from contracts.assignment import Assignment, Generation, assign


def assign_lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield each line with `hash`, `in_sample`, `group` and `subject_id` added; blank lines are passed over.

    Raises:
        DogfoodError: a line is no JSON object, or a field is missing or of the wrong type; it names the line.
    """
    for number, line in enumerate(lines, start=1):
        if line.strip():
            row, found = _read(number, line)
            answer = {
                "hash": found.hash,
                "in_sample": found.in_sample,
                "group": found.group,
                "subject_id": found.subject_id,
            }
            yield orjson.dumps({**row, **answer}, option=orjson.OPT_APPEND_NEWLINE)


def _read(number: int, line: bytes) -> tuple[Mapping[str, object], Assignment]:
    try:
        row = orjson.loads(line)
        if not isinstance(row, dict):
            raise TypeError("it is no JSON object")
        user_id, name, groups, rate = row["user_id"], row["experiment"], row["groups"], row["rate"]
        if isinstance(user_id, bool) or not isinstance(user_id, int):
            raise TypeError("user_id has to be a whole number")
        if not isinstance(name, str) or not isinstance(groups, list) or not all(isinstance(g, str) for g in groups):
            raise TypeError("experiment has to be a text and groups a list of texts")
        if isinstance(rate, bool) or not isinstance(rate, int | float):
            raise TypeError("rate has to be a number")
        return row, assign(Generation(row["generation"]), user_id, name, groups, rate)
    except KeyError as error:
        raise DogfoodError(f"line {number}: {error.args[0]!r} is missing") from error
    except (TypeError, ValueError) as error:
        raise DogfoodError(f"line {number}: {error}") from error
