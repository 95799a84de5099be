"""Supervision of a testbed's processes: a lock for starting and stopping, and a search for leftovers."""

import fcntl
import os
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from common.child_environment import child_environment
from common.errors import DogfoodError

#: Environment variables that identify a service's processes without a record.
_NAME, _FOLDER = "TESTBED_SERVICE", "TESTBED_FOLDER"
_LOCK = ".lock"
_POLL_S = 0.05

#: Seconds to wait for another command: a first start downloads MediaWiki and Kafka's jars.
_LOCK_TIMEOUT_S = 600.0
_END_TIMEOUT_S = 6.0

#: Folders whose lock this process holds; nested calls do not wait for it.
_held: set[Path] = set()


def service_environment(folder: Path, name: str) -> Mapping[str, str]:
    """Return the environment of the service *name* of the testbed in *folder*: its marks, and no secrets."""
    return child_environment(extra={_NAME: name, _FOLDER: str(folder.resolve())})


@contextmanager
def locked(folder: Path, within_s: float = _LOCK_TIMEOUT_S) -> Iterator[None]:
    """Keep other commands from starting or stopping services of the testbed in *folder* until the block ends.

    The operating system releases the lock when the process ends.

    Raises:
        DogfoodError: another command holds the lock for longer than *within_s* seconds.
    """
    folder = folder.resolve()
    if folder in _held:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    with (folder / _LOCK).open("a+") as file:
        _lock(file.fileno(), folder, time.monotonic() + within_s)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        _held.add(folder)
        try:
            yield
        finally:
            _held.discard(folder)
            file.truncate(0)


def _lock(file: int, folder: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                holder = (folder / _LOCK).read_text(encoding="utf-8").strip() or "unknown"
                raise DogfoodError(
                    f"the testbed in {folder} is being started or stopped: process {holder} holds {_LOCK}; "
                    f"wait for it or end it"
                ) from None
            time.sleep(_POLL_S)
        else:
            return


def leftovers(folder: Path, names: Collection[str]) -> list[psutil.Process]:
    """Return the running processes of the services *names* of the testbed in *folder*, by their marks."""
    resolved = str(folder.resolve())
    return [
        process
        for process in psutil.process_iter()
        if (marks := _marks(process)) is not None and marks.get(_FOLDER) == resolved and marks.get(_NAME) in names
    ]


def _marks(process: psutil.Process) -> Mapping[str, str] | None:
    try:
        return None if process.status() == psutil.STATUS_ZOMBIE else process.environ()
    except (psutil.Error, OSError):
        # The process belongs to another user, or has just ended.
        return None


def stop_leftovers(folder: Path, names: Collection[str]) -> set[str]:
    """Stop the processes of `leftovers` and return the names of their services."""
    processes = leftovers(folder, names)
    stopped = {marks[_NAME] for process in processes if (marks := _marks(process))}
    for end in (psutil.Process.terminate, psutil.Process.kill):
        for process in processes:
            try:
                end(process)
            except psutil.NoSuchProcess:
                continue
        _, processes = psutil.wait_procs(processes, timeout=_END_TIMEOUT_S)
    return stopped


def ended(pid: int, within_s: float) -> bool:
    """Return whether the process *pid* ends within *within_s* seconds."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            # Without an init process that reaps, an ended process stays a zombie.
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(_POLL_S)
    return False
