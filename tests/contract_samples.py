"""Paths of the contracts of the systems under test."""

import os
from pathlib import Path

import pytest

_FOLDER = Path(__file__).resolve().parents[2] / "shared" / "contracts"


def contract_path(name: str) -> Path:
    """Return the path of the contract file *name*; skip the test outside CI, fail it in CI, when it is absent."""
    path = _FOLDER / name
    if not path.exists():
        message = f"the contract {name} is not beside this checkout (expected at ../shared/contracts)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path
