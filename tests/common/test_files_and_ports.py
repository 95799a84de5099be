"""Atomic replacement of files, durations, and free ports."""

import socket
from pathlib import Path

import pytest

from common.atomic_write import atomic_write, replacing
from common.durations import parse_seconds
from common.ports import free_port


def test_an_error_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    atomic_write(path, b"old")
    with pytest.raises(IsADirectoryError), replacing(path) as temporary:
        temporary.write_bytes(tmp_path.read_bytes())
    assert [(item.name, item.read_bytes()) for item in tmp_path.iterdir()] == [("file", b"old")]


@pytest.mark.parametrize(
    ("text", "seconds"), [("30", 30), ("30s", 30), ("1.5 m", 90), ("2min", 120), ("2h", 7200), ("250ms", 0.25)]
)
def test_durations_in_seconds(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1s", "1d", "1e3", "nan", "1.s"])
def test_invalid_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_seconds(text)


def test_a_duration_may_need_a_unit() -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_seconds("30", needs_unit=True)


def test_a_free_port_can_be_bound_and_differs() -> None:
    first, second = free_port(), free_port()
    assert first != second
    with socket.create_server(("127.0.0.1", first)):
        assert first not in {free_port() for _ in range(100)}


def test_an_unknown_address_has_no_free_port() -> None:
    with pytest.raises(OSError, match="assign"):
        free_port("192.0.2.1")
