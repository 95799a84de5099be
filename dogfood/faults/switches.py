"""Switches faults of the catalogue on and off in a testbed."""

import shutil
from collections.abc import Collection, Sequence

import orjson

from common.atomic_write import atomic_write
from common.errors import DogfoodError
from common.ports import free_port
from dogfood.faults.catalogue import read_catalogue
from dogfood.testbed_control.services import FAULTS, Testbed

#: What is started anew for other faults. The wiki goes on, with an extension that has them.
_RENEWED = ("mpic", "intake")


def check_faults(names: Collection[str]) -> None:
    """Raise DogfoodError unless the catalogue has all faults of these *names*."""
    known = [fault["id"] for fault in read_catalogue()] if names else []
    if unknown := [name for name in names if name not in known]:
        raise DogfoodError(f"there is no fault {unknown[0]!r}: {', '.join(known)}")


def switch_faults(testbed: Testbed, names: Sequence[str]) -> None:
    """Switch on the faults called *names*, and all others off, for services that are started from now on.

    Raises:
        DogfoodError: there is no such fault, or services run that were started with other faults.
    """
    if set(names) == set(testbed.faults):
        return
    check_faults(names)
    if any(state.pid for state in testbed.status()):
        now = f"with the faults {', '.join(testbed.faults)}" if testbed.faults else "without faults"
        raise DogfoodError(f"the testbed already runs {now}: stop it first with `dogfood down`")
    _record(testbed, names)


def apply_switches(testbed: Testbed, names: Sequence[str]) -> None:
    """Start MPIC and the intake anew where they were, with nothing in stream and table and the faults *names* on.

    A wiki that runs goes on, with other faults.

    Raises:
        DogfoodError: there is no such fault, or the services do not come up.
    """
    check_faults(names)
    ports = {state.name: state.port for state in testbed.status() if state.name in _RENEWED and state.port}
    testbed.down(_RENEWED)
    for folder in (testbed.stream_dir, testbed.table_dir):
        shutil.rmtree(folder, ignore_errors=True)
    _record(testbed, names)
    testbed.up(ports or {name: free_port() for name in _RENEWED}, _RENEWED)
    if testbed.url("wiki") is not None:
        testbed.configure_wiki({"faults": list(names)})


def _record(testbed: Testbed, names: Sequence[str]) -> None:
    testbed.folder.mkdir(parents=True, exist_ok=True)
    atomic_write(testbed.folder / FAULTS, orjson.dumps(list(names)))
