"""The testbed's fault catalogue, read from the testbed's program."""

from collections.abc import Mapping

import orjson

from dogfood.testbed_control.child_processes import run_module


def read_catalogue() -> list[Mapping[str, str]]:
    """Return the faults of the testbed: id, layer, location, what, fidelity and generation. Raises KitFaultError."""
    return [orjson.loads(line) for line in run_module("reading the fault catalogue", "testbed.faults").splitlines()]
