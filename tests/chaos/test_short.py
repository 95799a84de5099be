"""The short kill series: one kill of each target without Java."""

import random
from pathlib import Path

import pytest

from tests.chaos.series import QUICK, SERIES


@pytest.mark.parametrize("name", QUICK)
def test_a_killed_process_loses_nothing_acknowledged(tmp_path: Path, name: str) -> None:
    result = SERIES[name](tmp_path, 1, random.Random(name))  # noqa: S311 (reproducible)
    assert result.kills == 1
    assert result.acknowledged > 0
