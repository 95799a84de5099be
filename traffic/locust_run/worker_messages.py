"""Checks of the messages that workers send to Locust's master: malformed ones are refused, and the run goes on."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgpack
import orjson

from common.errors import KitFaultError

ASK, GIVE, ROWS = "dogfood-lease-ask", "dogfood-lease-give", "dogfood-ledger-rows"
DONE, STOPPED, END = "dogfood-worker-done", "dogfood-worker-stopped", "dogfood-end"

#: Key of a sender's reports in Locust's own reports of a worker.
REPORTS = "dogfood_reports"

STATISTICS = "stats"

#: Errors of reading malformed data.
MALFORMED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)

#: States of Locust's workers.
_STATES = frozenset({"ready", "spawning", "running", "cleanup", "stopping", "stopped"})

_ROW_KINDS = frozenset({"intent", "intents", "outcome", "outcomes"})


class MalformedMessageError(KitFaultError):
    """A message that workers of this version do not send."""


def parse(frames: Sequence[bytes]) -> tuple[str, str, Any]:
    """Return a message's sender, kind and data.

    Raises:
        MalformedMessageError: the message is not a worker's, or names another sender.
    """
    try:
        sender = frames[0].decode()
        kind, data, node_id = msgpack.loads(frames[1], raw=False, strict_map_key=False)
    except (*MALFORMED, msgpack.exceptions.UnpackException) as error:
        raise MalformedMessageError(f"a message cannot be read ({type(error).__name__})") from error
    if node_id != sender:
        raise MalformedMessageError(f"a message of {sender!r} names {node_id!r} as its sender")
    check = _CHECKS.get(kind) if isinstance(kind, str) else None
    if check is None:
        raise MalformedMessageError(f"{sender!r} sent an unknown kind of message: {kind!r}")
    try:
        is_well_formed = check(data)
    except MALFORMED:
        is_well_formed = False
    if not is_well_formed:
        raise MalformedMessageError(f"{sender!r} sent a malformed {kind}")
    return sender, kind, data


def ledger_rows(data: Mapping[str, Any], kind: str, index: int) -> tuple[str, bytes]:
    """Return the name of the worker's ledger, and the rows to append to it.

    Args:
        data: the message's data.
        kind: prefix of the ledgers of this run's workers.
        index: index of the worker that sent it.

    Raises:
        MalformedMessageError: the name belongs to another worker, or the rows are not ledger rows.
    """
    name, rows = data["worker"], data["rows"].encode()
    if not re.fullmatch(rf"{re.escape(kind)}-{index}-[0-9]{{1,10}}", name, re.ASCII):
        raise MalformedMessageError(f"worker {index} sent rows for the ledger {name!r}, which is not its own")
    if not rows.endswith(b"\n") or not all(map(_is_row, rows.splitlines())):
        raise MalformedMessageError(f"{name} sent rows that are not a ledger's")
    return name, rows


def _is_row(line: bytes) -> bool:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return isinstance(row, dict) and bool(_ROW_KINDS & row.keys())


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _are_users(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(name, str) and _is_count(count) for name, count in value.items())


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_version(data: Any) -> bool:  # noqa: ANN401 (unchecked input)
    return data == -1 or (isinstance(data, str) and 0 < len(data) < 100)


def _is_heartbeat(data: Any) -> bool:  # noqa: ANN401
    usage = data["current_cpu_usage"], data.get("current_memory_usage", 0)
    return str(data["state"]) in _STATES and all(map(_is_number, usage))


def _are_statistics(data: Any) -> bool:  # noqa: ANN401
    is_complete = isinstance(data["stats"], list) and all(
        isinstance(data[name], dict) for name in ("stats_total", "errors")
    )
    reports = data.get(REPORTS, [])
    return (
        is_complete
        and _are_users(data["user_classes_count"])
        and _is_count(data["user_count"])
        and _are_reports(reports)
    )


def _are_reports(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(row, dict) and _is_named(row) for row in value)


def _is_named(data: Mapping[str, Any]) -> bool:
    return isinstance(data["name"], str) and isinstance(data["host"], str)


def _is_final_report(data: Any) -> bool:  # noqa: ANN401
    # The report of a worker that did not open a run is empty.
    if not data:
        return data is None or data == {}
    named = "name" not in data or (_is_named(data) and _are_reports(data["reports"]))
    return isinstance(data, dict) and named and isinstance(data.get("error", ""), str)


def _anything(data: object) -> bool:  # noqa: ARG001
    return True


_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "client_ready": _is_version,
    "client_stopped": _anything,
    "heartbeat": _is_heartbeat,
    STATISTICS: _are_statistics,
    "spawning": _anything,
    "spawning_complete": lambda data: _are_users(data["user_classes_count"]) and _is_count(data["user_count"]),
    "quit": _anything,
    "exception": lambda data: isinstance(data["msg"], str) and isinstance(data["traceback"], str),
    "logs": lambda data: isinstance(data["worker_id"], str) and _are_texts(data["logs"]),
    ASK: _anything,
    DONE: _is_final_report,
    STOPPED: _is_final_report,
    ROWS: lambda data: isinstance(data["worker"], str) and isinstance(data["rows"], str),
}
