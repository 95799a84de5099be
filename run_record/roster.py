"""The roster: the wiki accounts of a run, each with one visit after those of the plan."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import orjson

from common.atomic_write import atomic_write
from common.errors import DogfoodError
from common.typed_json import NonNegative, Origin, Reader, content_of

FILE_NAME = "roster.ndjson"


class Fidelity(StrEnum):
    """The source of events: the kit's renderer, a logged-in HTTP session, or a browser that runs the instrument."""

    SYNTHETIC = "synthetic"
    WIKI = "wiki"
    BROWSER = "browser"


class Account(NamedTuple):
    """One wiki account in a run.

    Attributes:
        visit: index of its visit, after those of the plan.
        fidelity: `wiki` or `browser`.
        user_id, central_id: the wiki's local id and the id across wikis; both 0 for a reader without an account.
        name: name of the account.
        chosen: whether it was selected for its group, so it does not count for the sample ratio.
    """

    visit: NonNegative
    fidelity: Fidelity
    user_id: NonNegative
    central_id: NonNegative
    name: str
    chosen: bool


_READER = Reader(Account)


class RosterError(DogfoodError):
    """The roster cannot be read."""


def write_roster(run: Path, accounts: Iterable[Account]) -> None:
    """Write the roster to the folder *run* in one step."""
    lines = [orjson.dumps(account._asdict(), option=orjson.OPT_APPEND_NEWLINE) for account in accounts]
    atomic_write(run / FILE_NAME, b"".join(lines))


def read_roster(run: Path) -> Sequence[Account]:
    """Return the accounts of the run in the folder *run*, empty without a roster. Raises RosterError."""
    origin = Origin(run / FILE_NAME, RosterError)
    try:
        return tuple(_READER.rows(content_of(origin), origin))
    except FileNotFoundError:
        return ()
