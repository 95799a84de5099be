"""Switch faults of the catalogue on and off in a testbed."""

import shutil
from collections.abc import Collection, Sequence

import orjson

from common.atomic_write import atomic_write
from common.errors import DogfoodError
from common.ports import free_port
from dogfood.faults.catalogue import read_catalogue
from dogfood.testbed_control.services import FAULTS, Testbed

#: Services that restart for other faults. The wiki keeps running; its extension reads the faults.
_RESTARTED = ("mpic", "intake")


def check_faults(names: Collection[str]) -> None:
    """Raise DogfoodError unless the catalogue has all faults of these *names*."""
    known = [fault["id"] for fault in read_catalogue()] if names else []
    if unknown := [name for name in names if name not in known]:
        raise DogfoodError(f"there is no fault {unknown[0]!r}; the faults are {', '.join(known)}")


def switch_faults(testbed: Testbed, names: Sequence[str]) -> None:
    """Switch on the faults *names* and all others off, for services that start from now on.

    Raises:
        DogfoodError: a fault does not exist, or services run with other faults.
    """
    if set(names) == set(testbed.faults):
        return
    check_faults(names)
    if any(state.pid for state in testbed.status()):
        now = f"with the faults {', '.join(testbed.faults)}" if testbed.faults else "without faults"
        raise DogfoodError(f"the testbed already runs {now}; stop it first with `dogfood down`")
    _record(testbed, names)


def apply_switches(testbed: Testbed, names: Sequence[str]) -> None:
    """Restart MPIC and the intake on their ports, with an empty stream and table and the faults *names* on.

    A running wiki keeps running, with the new faults.

    Raises:
        DogfoodError: a fault does not exist, or the services do not start.
    """
    check_faults(names)
    ports = {state.name: state.port for state in testbed.status() if state.name in _RESTARTED and state.port}
    testbed.down(_RESTARTED)
    for folder in (testbed.stream_dir, testbed.table_dir):
        shutil.rmtree(folder, ignore_errors=True)
    _record(testbed, names)
    testbed.up(ports or {name: free_port() for name in _RESTARTED}, _RESTARTED)
    if testbed.url("wiki") is not None:
        testbed.configure_wiki({"faults": list(names)})


def _record(testbed: Testbed, names: Sequence[str]) -> None:
    testbed.folder.mkdir(parents=True, exist_ok=True)
    atomic_write(testbed.folder / FAULTS, orjson.dumps(list(names)))
