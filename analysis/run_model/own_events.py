"""Events that a run's ledger names: by id, or by funnel where the intake assigns the id."""

from collections.abc import Mapping
from pathlib import Path

import orjson

from common.errors import DogfoodError
from personas.plan.plan import Plan
from run_record.file_tail import FileTail
from run_record.ledger.rows import split_row
from run_record.run_folder import LEDGER


def keys_of(event: Mapping[str, object]) -> tuple[str, ...]:
    """Return the keys of an event: its id, and its funnel, position and action; none where it has neither."""
    meta = event.get("meta")
    identifier = meta.get("id") if isinstance(meta, Mapping) else None
    names = ("funnel_entry_token", "funnel_event_sequence_position", "action")
    funnel = "/".join(str(event[name]) for name in names if event.get(name) is not None)
    return tuple(key for key in (str(identifier or ""), funnel) if key)


class OwnEvents:
    """Keys of the events that a run has sent, up to the last `refresh`.

    Args:
        run: the run's folder.
        plan: the run's plan.
    """

    def __init__(self, run: Path, plan: Plan) -> None:
        self._ledger = run / LEDGER
        self._plan = plan
        self._tail = FileTail()
        self._keys: set[str] = set()

    def refresh(self) -> None:
        """Read the ledger's rows since the last call.

        Raises:
            DogfoodError: the ledger cannot be read.
        """
        try:
            for path in sorted(self._ledger.glob("*.ndjson")):
                for row in self._growing.new_objects(path):
                    self._take(row)
        except OSError as error:
            raise DogfoodError(f"{self._ledger} cannot be read: {error.strerror}") from error

    def __contains__(self, event: Mapping[str, object]) -> bool:
        return any(key in self._keys for key in keys_of(event))

    def has(self, key: str) -> bool:
        """Return whether the run sent an event with this id or funnel."""
        return key in self._keys

    def _add_row(self, row: Mapping[str, object]) -> None:
        try:
            for single in split_row(row):
                if "events" not in single:
                    continue
                bodies = single.get("bodies") or ()
                for body in bodies:
                    self._add_event(orjson.loads(body))
                if not bodies:
                    self._add_planned(single["events"])
        except (KeyError, TypeError, ValueError, IndexError):
            return  # the analysis reports rows that cannot be read

    def _add_planned(self, spans: list[list[int]]) -> None:
        for visit, position, count in spans:
            for event in self._plan.visit(visit)[position : position + count]:
                self._keys.add(event.id)

    def _add_event(self, event: object) -> None:
        if isinstance(event, dict):
            keys = keys_of(event)
            # The id alone identifies an event that has one, as in `analysis/sql/model/ledger_bodies.sql`.
            self._keys.update(keys[:1])
