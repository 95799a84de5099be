"""Read and write the wiki's test accounts. Files with passwords stay outside runs and repositories."""

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
        name, password: credentials for logging in.
        user_id, central_id: the wiki's local id and the id across wikis.
        subject: index of the subject in the population, which decides the account's behaviour.
    """

    name: str
    password: str
    user_id: int
    central_id: int
    subject: int


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    """A row of the file of accounts; without a password, the keyring has it."""

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
    """Return the accounts of the file *path* (NDJSON), in order; missing passwords are read from the keyring.

    Raises:
        AccountsError: there is no such file, or it is malformed.
        CredentialsError: the keyring has no password for an account.
    """
    credentials = Credentials(os.environ)
    # Errors never quote the file, because it holds passwords.
    fix = "write it as docs/guide/testwiki.md says, or create it with `dogfood up`"
    origin = Origin(path, AccountsError, fix, secret=True)
    try:
        rows = list(_READER.rows(content_of(origin), origin))
    except FileNotFoundError:
        raise AccountsError(f"there are no test accounts at {path}: create the testbed's with `dogfood up`") from None
    return tuple(
        TestAccount(row.name, row.password or credentials.password(row.name), row.user_id, row.central_id, row.subject)
        for row in rows
    )


def write_accounts(path: Path, accounts: Iterable[TestAccount]) -> None:
    """Write *accounts* to *path* in one step, readable only by its owner. Raises OSError."""
    content = b"".join(orjson.dumps(item._asdict(), option=orjson.OPT_APPEND_NEWLINE) for item in accounts)
    atomic_write(path, content, mode=0o600)
