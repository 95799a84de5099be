"""The processes of one testbed: one command at a time starts and stops them, and all of them can be found again."""

import fcntl
import os
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

from common.child_environment import child_environment
from common.errors import DogfoodError

#: Variables of a service's environment by which its processes are found when no file names them.
_NAME, _FOLDER = "TESTBED_SERVICE", "TESTBED_FOLDER"
_LOCK = ".lock"
_POLL_S = 0.05

#: A first start fetches and installs MediaWiki, and Kafka's jars; another command waits as long as that takes.
_LOCKED_WITHIN_S = 600.0
_ENDED_WITHIN_S = 6.0

#: Folders that this process holds; what it calls while it holds one need not wait for it.
_held: set[Path] = set()


def service_environment(folder: Path, name: str) -> Mapping[str, str]:
    """Return the environment of the service *name* of the testbed in *folder*: no secrets, and the marks to find it."""
    return child_environment(extra={_NAME: name, _FOLDER: str(folder.resolve())})


@contextmanager
def locked(folder: Path, within_s: float = _LOCKED_WITHIN_S) -> Iterator[None]:
    """Keep other commands from starting or stopping services of the testbed in *folder* until the block ends.

    The operating system lets go of the lock when the process ends, however it ends.

    Raises:
        DogfoodError: another command holds it for longer than *within_s*.
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
    """Return the processes of the services *names* of the testbed in *folder* that run, by the marks they carry."""
    marks = str(folder.resolve())
    return [
        process
        for process in psutil.process_iter()
        if (found := _marks(process)) is not None and found.get(_FOLDER) == marks and found.get(_NAME) in names
    ]


def _marks(process: psutil.Process) -> Mapping[str, str] | None:
    try:
        return None if process.status() == psutil.STATUS_ZOMBIE else process.environ()
    except (psutil.Error, OSError):
        # Another user's, or one that has just ended.
        return None


def stop_leftovers(folder: Path, names: Collection[str]) -> set[str]:
    """End what `leftovers` finds; return the names of the services that it belonged to."""
    found = leftovers(folder, names)
    stopped = {marks[_NAME] for process in found if (marks := _marks(process))}
    for end in (psutil.Process.terminate, psutil.Process.kill):
        for process in found:
            try:
                end(process)
            except psutil.NoSuchProcess:
                continue
        _, found = psutil.wait_procs(found, timeout=_ENDED_WITHIN_S)
    return stopped


def ended(pid: int, within_s: float) -> bool:
    """Return whether the process *pid* ends within so many seconds."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            # Where the first process of a container does not reap, what has ended stays a zombie for a while.
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(_POLL_S)
    return False
