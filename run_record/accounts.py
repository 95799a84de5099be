"""The wiki's test accounts: who can log in. A file with passwords in it stays outside runs and repositories."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec
import orjson

from common.atomic_write import atomic_write
from common.errors import DogfoodError
from common.typed_json import NonNegative, Origin, Reader, content_of
from run_record.credentials import Credentials


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


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    """An account as its file has it: the password may be elsewhere."""

    name: str
    user_id: NonNegative
    central_id: NonNegative
    subject: NonNegative
    password: str = ""


_READER = Reader(_Row)


class AccountsError(DogfoodError):
    """There are no test accounts, or their file cannot be read."""

    page = "docs/guide/testwiki.md"


def read_accounts(path: Path) -> tuple[TestAccount, ...]:
    """Return the accounts of the file *path* (NDJSON), in its order; a password that it leaves out is the keyring's.

    Raises:
        AccountsError: there is no such file, or it is not one.
        KeyringError: a password is nowhere.
    """
    keyring = Credentials(os.environ)
    # The errors never repeat a line of the file: it holds passwords.
    fix = "write it as docs/guide/testwiki.md says, or let `dogfood up` make it"
    origin = Origin(path, AccountsError, fix, secret=True)
    try:
        rows = list(_READER.rows(content_of(origin), origin))
    except FileNotFoundError:
        raise AccountsError(f"there are no test accounts at {path}: `dogfood up` makes them for the testbed") from None
    return tuple(
        TestAccount(row.name, row.password or keyring.password(row.name), row.user_id, row.central_id, row.subject)
        for row in rows
    )


def write_accounts(path: Path, accounts: Iterable[TestAccount]) -> None:
    """Write *accounts* to *path*, readable by its owner only, in one step. Raises OSError."""
    content = b"".join(orjson.dumps(item._asdict(), option=orjson.OPT_APPEND_NEWLINE) for item in accounts)
    atomic_write(path, content, mode=0o600)
