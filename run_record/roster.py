"""The roster: the wiki's accounts that take part in a run, each as one visit after those of the plan."""

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
    """Who makes events: the kit's renderer, a logged-in HTTP session, or a browser that runs the instrument."""

    SYNTHETIC = "synthetic"
    WIKI = "wiki"
    BROWSER = "browser"


class Account(NamedTuple):
    """One account of the wiki in a run.

    Attributes:
        visit: its visit's index; those of the plan come first.
        fidelity: how it visits: `wiki` or `browser`.
        user_id, central_id: the wiki's local id and the id across wikis. Both 0 for a reader without an account.
        name: of the account.
        chosen: it was taken for its group, so it says nothing about how many subjects are in which group.
    """

    visit: NonNegative
    fidelity: Fidelity
    user_id: NonNegative
    central_id: NonNegative
    name: str
    chosen: bool


_READER = Reader(Account)


class RosterError(DogfoodError):
    """A roster that cannot be read."""


def write_roster(run: Path, accounts: Iterable[Account]) -> None:
    """Write the roster of the run in the folder *run*, in one step."""
    lines = [orjson.dumps(account._asdict(), option=orjson.OPT_APPEND_NEWLINE) for account in accounts]
    atomic_write(run / FILE_NAME, b"".join(lines))


def read_roster(run: Path) -> Sequence[Account]:
    """Return the accounts of the run in the folder *run*; none when it has no roster. Raises RosterError."""
    origin = Origin(run / FILE_NAME, RosterError)
    try:
        return tuple(_READER.rows(content_of(origin), origin))
    except FileNotFoundError:
        return ()
