"""The wiki's test accounts: who can log in. The file holds passwords, so it stays outside runs and repositories."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import orjson

from metrics_platform.errors import DogfoodError


class TestAccount(NamedTuple):
    """A test account of the wiki.

    Attributes:
        name, password: to log in with.
        user_id, central_id: the wiki's local id and the id across wikis.
        subject: position in the population of personas, whose habits it has.
    """

    name: str
    password: str
    user_id: int
    central_id: int
    subject: int


class AccountsError(DogfoodError):
    """There are no test accounts, or their file cannot be read."""

    page = "docs/howto-testwiki.md"


def read_accounts(path: Path) -> tuple[TestAccount, ...]:
    """Return the accounts of the file *path* (NDJSON), in its order. Raises AccountsError."""
    try:
        return tuple(TestAccount(**orjson.loads(line)) for line in path.read_bytes().splitlines())
    except FileNotFoundError:
        raise AccountsError(f"there are no test accounts at {path}: `dogfood up` makes them for the testbed") from None
    except (OSError, ValueError, TypeError) as error:
        raise AccountsError(f"{path} is no file of test accounts: {error}") from error


def write_accounts(path: Path, accounts: Iterable[TestAccount]) -> None:
    """Write *accounts* to *path*, readable by its owner only, in one step. Raises OSError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    content = b"".join(orjson.dumps(item._asdict(), option=orjson.OPT_APPEND_NEWLINE) for item in accounts)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    draft.replace(path)
