"""Addresses of a run are resolved once, shared by its processes, and limited by the target."""

from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from run_record.resolved_addresses import FILE_NAME, pinned
from run_record.target import Target, TargetError
from tests.common.echo import Moving

MINE = replace(
    Target.read("local"), name="mine", intake="http://intake.example/v1/events", mpic="http://intake.example", wiki="",
    hosts=("intake.example",), tag="my-tag",
)  # fmt: skip


def test_names_are_resolved_once_per_run(tmp_path: Path) -> None:
    moving = Moving("127.0.0.2", "127.0.0.3")
    for _ in range(3):
        assert pinned(tmp_path, MINE, moving).pins == {"intake.example": ("127.0.0.2",)}
    assert moving.requests == ["intake.example"]
    assert pinned(tmp_path, MINE, moving).tag == "my-tag"


@pytest.mark.parametrize(
    ("pins", "says"),
    [
        ({"intake.example": ["192.0.2.1"]}, "outside its networks"),
        ({"other.example": ["127.0.0.2"]}, "names 'other.example', which target 'mine' does not"),
        ({"intake.example": ["nowhere"]}, "cannot be used"),
        ([], "cannot be used"),
    ],
)
def test_a_file_cannot_widen_the_target(tmp_path: Path, pins: object, says: str) -> None:
    (tmp_path / FILE_NAME).write_bytes(orjson.dumps({"name": "mine", "pins": pins, "tag": ""}))
    with pytest.raises(TargetError, match=says):
        pinned(tmp_path, MINE)


def test_a_file_that_is_not_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"{")
    with pytest.raises(TargetError, match="cannot be used"):
        pinned(tmp_path, MINE)
