"""The wiki's test accounts: who can log in. A file with passwords in it stays outside runs and repositories."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from metrics_platform.errors import DogfoodError
from run_record.keyring import Keyring


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
    """Return the accounts of the file *path* (NDJSON), in its order; a password that it leaves out is the keyring's.

    Raises:
        AccountsError: there is no such file, or it is not one.
        KeyringError: a password is nowhere.
    """
    keyring = Keyring(os.environ)
    try:
        rows = [orjson.loads(line) for line in path.read_bytes().splitlines()]
        return tuple(TestAccount(**row, **_missing(row, keyring)) for row in rows)
    except FileNotFoundError:
        raise AccountsError(f"there are no test accounts at {path}: `dogfood up` makes them for the testbed") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        # Not with the error's own words: they may repeat a line of the file.
        raise AccountsError(f"{path} is no file of test accounts ({type(error).__name__})") from None


def write_accounts(path: Path, accounts: Iterable[TestAccount]) -> None:
    """Write *accounts* to *path*, readable by its owner only, in one step. Raises OSError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    content = b"".join(orjson.dumps(item._asdict(), option=orjson.OPT_APPEND_NEWLINE) for item in accounts)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    draft.replace(path)


def _missing(row: Mapping[str, object], keyring: Keyring) -> dict[str, Any]:
    """Return the password of an account that lacks nothing else."""
    lacks = set(TestAccount._fields) - row.keys()
    return {"password": keyring.password(str(row["name"]))} if lacks == {"password"} else {}
