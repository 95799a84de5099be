"""Share a target's ceilings between all processes of this machine.

A folder for each target, in the user's state folder, has two kinds of files. `balance` has the used part of the
ceilings and is changed under a file lock. Each sending process has a `lease-…` file and holds a lock on it. The kernel
releases the lock when the process ends, so a crash needs no cleanup. The budget is reset when no lease is left.
"""

import fcntl
import math
import mmap
import os
import struct
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import quote, urlsplit

import orjson

from common.errors import DogfoodError
from run_record.rate_limit import Balance, RateLimiter
from run_record.target import Ceilings, Target, TargetError

#: Environment variable with the folder of all budgets; by default one in the user's state folder.
STATE_VARIABLE = "DOGFOOD_STATE"

_BALANCE, _GATE, _LEASE = "balance", "gate", "lease-"  # file names
_LAYOUT = struct.Struct("4d")


class BudgetError(DogfoodError):
    """The folder of the budgets cannot be used."""

    page = "docs/reference/targets.md"


def state_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder of all budgets: `$DOGFOOD_STATE`, or one in the user's state folder."""
    if folder := environment.get(STATE_VARIABLE):
        return Path(folder)
    home = environment.get("XDG_STATE_HOME") or str(Path("~/.local/state").expanduser())
    return Path(home) / "experiment-dogfood"


class Holder(NamedTuple):
    """A process that sends to a target: the content of its lease.

    Attributes:
        run: folder of the run, or name of another sender.
        rate: planned events per second; 0 when unknown.
        process: id of the process.
    """

    run: str
    rate: float
    process: int


class _SharedBalance:
    """The balance of a target in a file that several processes change."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if os.fstat(self._descriptor).st_size < _LAYOUT.size:
            os.ftruncate(self._descriptor, _LAYOUT.size)
        self._memory = mmap.mmap(self._descriptor, _LAYOUT.size)
        # A lock of the file excludes other processes, not other threads of this one.
        self._lock = threading.Lock()

    def change(self, step: Callable[[Balance], tuple[Balance, float]]) -> float:
        with self._lock:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            try:
                balance, wait_s = step(Balance(*_LAYOUT.unpack_from(self._memory)))
                _LAYOUT.pack_into(self._memory, 0, *balance)
                return wait_s
            finally:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def reset(self) -> None:
        self.change(lambda _: (Balance(), 0.0))

    def close(self) -> None:
        self._memory.close()
        os.close(self._descriptor)


class TargetBudget:
    """The lease of one process on a target's budget, held until `close` or the end of the process."""

    def __init__(self, ceilings: Ceilings, balance: _SharedBalance | None, lease: Path | None, descriptor: int) -> None:
        self._ceilings = ceilings
        self._balance = balance
        self._lease, self._descriptor = lease, descriptor

    @classmethod
    def open(
        cls,
        target: Target,
        run: str,
        *,
        rate: float = 0.0,
        folder: Path | None = None,
    ) -> Self:
        """Add a lease to the budget of *target*; the first lease resets it.

        Args:
            target: target with its ceilings and the address of its intake.
            run: folder of the run, or name of another sender; the same for all processes of a run.
            rate: planned events per second of this run; 0 when another process of the run gives it.
            folder: folder of all budgets; by default the user's.

        Raises:
            TargetError: *rate* and the rates of other current runs exceed the ceiling together.
            BudgetError: the folder cannot be used.
        """
        return cls.of_intake(target.name, target.intake, target.ceilings, run, rate=rate, folder=folder)

    @classmethod
    def of_intake(
        cls,
        name: str,
        intake: str,
        ceilings: Ceilings,
        run: str,
        *,
        rate: float = 0.0,
        folder: Path | None = None,
    ) -> Self:
        """Do the same as `open`, for a process that has only the *intake* and the *ceilings* of the target *name*."""
        if ceilings == Ceilings():
            return cls(ceilings, None, None, -1)
        target_folder = (folder or state_folder(os.environ)) / "targets" / quote(urlsplit(intake).netloc, safe="")
        try:
            target_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _gate(target_folder):
                others = list(_holders(target_folder))
                _check_rates(name, ceilings, Holder(run, rate, os.getpid()), others)
                balance = _SharedBalance(target_folder / _BALANCE)
                if not others:
                    balance.reset()
                return cls(ceilings, balance, *_new_lease(target_folder, Holder(run, rate, os.getpid())))
        except OSError as error:
            raise BudgetError(
                f"the budget of target {name!r} cannot be stored in {target_folder}: {error.strerror}; "
                f"choose another folder with {STATE_VARIABLE}"
            ) from error

    def rate_limiter(self, share: float = 1.0) -> RateLimiter:
        """Return the rate limiter of this process, which shares the balance; *share* is this machine's."""
        if self._balance is None:
            return RateLimiter(self._ceilings, share=share, start_s=None)
        # All processes of a machine have the same monotonic clock.
        return RateLimiter(self._ceilings, share=share, balance=self._balance, clock=time.monotonic)

    def spent(self) -> float:
        """Return the number of admitted events since the budget was reset; 0 without ceilings."""
        return 0.0 if self._balance is None else self._balance.change(lambda balance: (balance, balance.spent))

    def close(self) -> None:
        """Give the lease back."""
        if self._balance is None or self._lease is None:
            return
        self._lease.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._balance.close()
        self._balance = self._lease = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def _gate(folder: Path) -> Iterator[None]:
    """Hold the lock for reading the leases and adding one."""
    descriptor = os.open(folder / _GATE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _new_lease(folder: Path, holder: Holder) -> tuple[Path, int]:
    path = folder / f"{_LEASE}{uuid.uuid4().hex}"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.write(descriptor, orjson.dumps(holder._asdict()))
    return path, descriptor


def _holders(folder: Path) -> Iterator[Holder]:
    """Yield the holders of the leases whose processes are alive; remove the other leases."""
    for path in folder.glob(f"{_LEASE}*"):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
        except BlockingIOError:
            yield _holder(path)
        finally:
            os.close(descriptor)


def _holder(path: Path) -> Holder:
    """Return the holder of a lease; an unreadable lease counts too."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        content = orjson.loads(path.read_bytes())
        return Holder(str(content["run"]), float(content["rate"]), int(content["process"]))
    return Holder("a run", 0.0, 0)


def _check_rates(name: str, ceilings: Ceilings, own: Holder, others: list[Holder]) -> None:
    if math.isinf(ceilings.rate) or not own.rate:
        return
    rates: dict[str, float] = {}
    for other in others:
        if other.run != own.run:
            rates[other.run] = max(rates.get(other.run, 0.0), other.rate)
    total = sum(rates.values())
    if total and total + own.rate > ceilings.rate * (1 + 1e-9):
        busiest = max((other for other in others if other.run in rates), key=lambda other: other.rate)
        raise TargetError(
            f"target {name!r} allows a rate of {ceilings.rate:,g} events/s: {busiest.run} (process {busiest.process}) "
            f"and others plan {total:,.6g} now, and this run {own.rate:,.6g} more: nothing was sent. "
            "Wait for the other run, or lower the rate."
        )
