"""The kill series in short: one kill of each of the victims that take no Java."""

import random
from pathlib import Path

import pytest

from tests.chaos.series import QUICK, SERIES


@pytest.mark.parametrize("name", QUICK)
def test_a_killed_process_leaves_everything_accounted_for(tmp_path: Path, name: str) -> None:
    result = SERIES[name](tmp_path, 1, random.Random(name))  # noqa: S311 (to be repeated)
    assert result.kills == 1
    assert result.acknowledged > 0
