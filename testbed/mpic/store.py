"""Stores configs in SQLite: one transaction per change, with a history of all changes."""

import json
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from common.errors import DogfoodError
from testbed.mpic.configs import Config, iso
from testbed.mpic.fields import Kind

#: "MPIC" in ASCII: identifies the databases of this program.
_APPLICATION_ID = 0x4D504943
_LAYOUT = 1
_TABLES = """
CREATE TABLE configs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    slug TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    config TEXT NOT NULL,
    UNIQUE (kind, slug)
);
CREATE TABLE history (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    config_id INTEGER NOT NULL REFERENCES configs (id),
    version INTEGER NOT NULL,
    at TEXT NOT NULL,
    who TEXT NOT NULL,
    before TEXT,
    after TEXT NOT NULL
);
CREATE INDEX history_of_config ON history (config_id);
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class StoreError(DogfoodError):
    """The database cannot be used."""


class SlugTakenError(Exception):
    """A config of that kind and slug exists."""


class StaleError(Exception):
    """The config was changed since it was read.

    Attributes:
        unseen: the changes in between, combined into one with the time and author of the last one.
    """

    def __init__(self, unseen: "Change") -> None:
        super().__init__(f"changed by {unseen.who} at {unseen.at}")
        self.unseen = unseen


class NotFoundError(Exception):
    """There is no such config."""


class Record(NamedTuple):
    """A stored config. Times are ISO 8601 with milliseconds and a Z; *version* counts changes from 1."""

    id: int
    version: int
    created_at: str
    updated_at: str
    config: Config


class Change(NamedTuple):
    """One change; *before* is None for the first one."""

    version: int
    at: str
    who: str
    before: Mapping[str, object] | None
    after: Mapping[str, object]


class Store:
    """Configs in a database; usable from one thread only.

    Args:
        path: file of the database, created when missing.
        now: clock that returns UTC.

    Raises:
        StoreError: the file cannot be opened, or is not a database of this program.
    """

    def __init__(self, path: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        try:
            # The file contains the key that signs sessions.
            path.touch(mode=0o600)
            path.chmod(0o600)
            # Transactions are started explicitly, with the write lock.
            self._db = sqlite3.connect(path, timeout=5, isolation_level=None)
            try:
                self._prepare(path)
            except BaseException:
                self._db.close()
                raise
        except (sqlite3.Error, OSError) as error:
            problem = f"cannot open the database {path}: {error}; name another file, or move this one away"
            raise StoreError(problem) from error

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def secret(self) -> str:
        """Return the key that signs cookies; it is stored, so open forms stay valid after a restart."""
        with self._transaction():
            self._db.execute(
                "INSERT INTO settings VALUES ('secret', ?) ON CONFLICT DO NOTHING",
                (secrets.token_urlsafe(32),),
            )
            row = self._db.execute("SELECT value FROM settings WHERE name = 'secret'").fetchone()
        return str(row[0])

    def list(self, kind: Kind) -> tuple[Record, ...]:
        """Return all configs of *kind*, oldest first."""
        rows = self._db.execute(f"{_SELECT} WHERE kind = ? ORDER BY id", (kind,))
        return tuple(_record(kind, row) for row in rows)

    def find(self, kind: Kind, slug: str) -> Record:
        """Return one config. Raises NotFoundError."""
        row = self._db.execute(f"{_SELECT} WHERE kind = ? AND slug = ?", (kind, slug)).fetchone()
        if row is None:
            raise NotFoundError(slug)
        return _record(kind, row)

    def history(self, record: Record) -> tuple[Change, ...]:
        """Return the changes of a config, latest first."""
        rows = self._db.execute(f"{_HISTORY} ORDER BY id DESC", (record.id,))
        return tuple(_change(row) for row in rows)

    def create(self, config: Config, who: str) -> Record:
        """Add a config. Raises SlugTakenError when its kind and slug are in use."""
        with self._transaction():
            if self._has(config):
                raise SlugTakenError(config.slug)
            return self._insert(config, who)

    def update(self, config: Config, who: str, version: int) -> Record:
        """Update the config that was read at *version*; equal configs are not written.

        Raises:
            NotFoundError: there is no such config.
            StaleError: the stored config has another version.
        """
        with self._transaction():
            record = self.find(config.kind, config.slug)
            if record.version != version:
                changes = self.history(record)
                latest, *earlier = [change for change in changes if change.version > version] or changes[:1]
                raise StaleError(latest._replace(before=(earlier[-1] if earlier else latest).before))
            return self._replace(record, config, who)

    def put(self, config: Config, who: str) -> tuple[Record, bool]:
        """Create or replace a config; return it, and whether it is new."""
        with self._transaction():
            if self._has(config):
                return self._replace(self.find(config.kind, config.slug), config, who), False
            return self._insert(config, who), True

    def switch(self, kind: Kind, slug: str, status: bool, who: str) -> Record:
        """Switch a config on or off. Raises NotFoundError."""
        with self._transaction():
            record = self.find(kind, slug)
            return self._replace(record, record.config.switched(status), who)

    def _prepare(self, path: Path) -> None:
        # Check before the first pragma that writes, so that another program's file is not changed.
        if not self._is_new():
            self._check(path)
        self._db.execute("PRAGMA journal_mode = WAL")
        # With WAL a commit survives the end of the process; only a power failure can lose the last ones.
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        with self._transaction():
            # Check again: another process may have created the tables.
            if self._is_new():
                for statement in _TABLES.split(";"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                self._db.execute(f"PRAGMA user_version = {_LAYOUT}")

    def _is_new(self) -> bool:
        mark = self._db.execute("PRAGMA application_id").fetchone()[0]
        return mark == 0 and self._db.execute("SELECT 1 FROM sqlite_schema").fetchone() is None

    def _check(self, path: Path) -> None:
        mark, layout = (self._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
        if (mark, layout) != (_APPLICATION_ID, _LAYOUT):
            raise StoreError(f"{path} is not a database of this MPIC; name another file, or move it away")
        damage = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if damage != "ok":
            raise StoreError(f"the database {path} is damaged ({damage}); name another file, or move it away")

    def _has(self, config: Config) -> bool:
        query = "SELECT 1 FROM configs WHERE kind = ? AND slug = ?"
        return self._db.execute(query, (config.kind, config.slug)).fetchone() is not None

    def _insert(self, config: Config, who: str) -> Record:
        at = iso(self._now())
        cursor = self._db.execute(
            "INSERT INTO configs (kind, slug, version, created_at, updated_at, config) VALUES (?, ?, 1, ?, ?, ?)",
            (config.kind, config.slug, at, at, _dump(config)),
        )
        record = self.find(config.kind, config.slug)
        self._add_history(cursor.lastrowid or record.id, 1, at, who, None, config)
        return record

    def _replace(self, record: Record, config: Config, who: str) -> Record:
        if config == record.config:
            return record
        at = iso(self._now())
        self._db.execute(
            "UPDATE configs SET version = version + 1, updated_at = ?, config = ? WHERE id = ?",
            (at, _dump(config), record.id),
        )
        self._add_history(record.id, record.version + 1, at, who, record.config, config)
        return self.find(config.kind, config.slug)

    def _add_history(
        self, config_id: int, version: int, at: str, who: str, before: Config | None, after: Config
    ) -> None:
        self._db.execute(
            "INSERT INTO history (config_id, version, at, who, before, after) VALUES (?, ?, ?, ?, ?, ?)",
            (config_id, version, at, who, before and _dump(before), _dump(after)),
        )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


_SELECT = "SELECT id, version, created_at, updated_at, config FROM configs"
_HISTORY = "SELECT version, at, who, before, after FROM history WHERE config_id = ?"


def _record(kind: Kind, row: tuple[int, int, str, str, str]) -> Record:
    number, version, created, updated, config = row
    return Record(number, version, created, updated, Config.from_json(kind, json.loads(config)))


def _change(row: tuple[int, str, str, str | None, str]) -> Change:
    version, at, who, before, after = row
    return Change(version, at, who, json.loads(before) if before else None, json.loads(after))


def _dump(config: Config) -> str:
    return json.dumps(config.to_json(), ensure_ascii=False)
