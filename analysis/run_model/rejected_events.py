"""Events that the intake rejected, as the error stream reports them."""

from collections.abc import Sequence
from pathlib import Path

import orjson
import pyarrow as pa

from analysis.inputs.errors import InputError
from contracts.table import BrokenLine

ERRORS = "errors.ndjson"


def read_rejected(file: Path, among_events: Sequence[bytes]) -> tuple[pa.Table, list[BrokenLine]]:
    """Return the rejected events by key, and the lines of *file* that are not reports.

    Args:
        file: the error stream's file, which may be missing.
        among_events: reports among the observed events; EventGate may write both into one file.

    Raises:
        InputError: the file cannot be read.
    """
    keys, messages = [], []
    broken: list[BrokenLine] = []
    for line, number in (*((line, 0) for line in among_events), *_numbered_lines(file)):
        try:
            report = orjson.loads(line)
            raw, message = report["raw_event"], str(report.get("message", ""))
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            if number and line.strip():
                broken.append(BrokenLine(file.name, number, f"not an error report: {error}"))
            continue
        for key in _keys(raw):
            keys.append(key)
            messages.append(message)
    columns = {"event_key": pa.array(keys, pa.string()), "message": pa.array(messages, pa.string())}
    return pa.table(columns), broken


def _keys(raw: object) -> list[str]:
    """Return the keys that a rejected event may have been sent under (`analysis/sql/model/ledger_bodies.sql`).

    An event without a key cannot be this run's.
    """
    try:
        event: object = raw if isinstance(raw, dict) else orjson.loads(raw)  # type: ignore[arg-type]
    except (orjson.JSONDecodeError, TypeError):
        return []
    if not isinstance(event, dict):
        return []
    meta = event.get("meta")
    # The time identifies an event without a position, as in `analysis/sql/model/ledger_bodies.sql`.
    position = "funnel_event_sequence_position" if "funnel_event_sequence_position" in event else "dt"
    funnel = "/".join(str(event[name]) for name in ("funnel_entry_token", position, "action") if name in event)
    ids = [str(meta["id"])] if isinstance(meta, dict) and "id" in meta else []
    return [*ids, funnel] if funnel else ids


def _numbered_lines(path: Path) -> list[tuple[bytes, int]]:
    try:
        lines = path.read_bytes().splitlines() if path.exists() else []
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    return [(line, number) for number, line in enumerate(lines, start=1)]
