"""One budget for a target: its ceilings hold for all processes of this machine together.

A folder for each target, in the user's state folder, has two kinds of files. `balance` holds what was used, and is
changed under a lock of the file. Each process that sends has a `lease-…` file and locks it as long as it lives: the
kernel lets go of the lock when the process ends, however it ends, so nothing has to be cleaned up after a crash. The
budget begins anew when the last lease is gone.
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

#: Names the folder in which budgets are kept; by default one in the user's state folder.
STATE_VARIABLE = "DOGFOOD_STATE"

_BALANCE, _GATE, _LEASE = "balance", "gate", "lease-"
_FORM = struct.Struct("4d")


class BudgetError(DogfoodError):
    """The folder of the budgets cannot be used."""

    page = "docs/reference/targets.md"


def state_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder in which budgets are kept: `$DOGFOOD_STATE`, or one in the user's state folder."""
    if named := environment.get(STATE_VARIABLE):
        return Path(named)
    home = environment.get("XDG_STATE_HOME") or str(Path("~/.local/state").expanduser())
    return Path(home) / "experiment-dogfood"


class Holder(NamedTuple):
    """A process that sends to a target, as its lease names it.

    Attributes:
        run: folder of the run, or what else sends.
        rate: events a second that are planned; 0 where that is not known.
        process: its id.
    """

    run: str
    rate: float
    process: int


class _SharedAccount:
    """The balance of a target in a file that several processes change."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if os.fstat(self._descriptor).st_size < _FORM.size:
            os.ftruncate(self._descriptor, _FORM.size)
        self._memory = mmap.mmap(self._descriptor, _FORM.size)
        # A lock of the file excludes other processes, not other threads of this one.
        self._lock = threading.Lock()

    def change(self, step: Callable[[Balance], tuple[Balance, float]]) -> float:
        with self._lock:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            try:
                balance, wait_s = step(Balance(*_FORM.unpack_from(self._memory)))
                _FORM.pack_into(self._memory, 0, *balance)
                return wait_s
            finally:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def reset(self) -> None:
        self.change(lambda _: (Balance(), 0.0))

    def close(self) -> None:
        self._memory.close()
        os.close(self._descriptor)


class TargetBudget:
    """The part of one process in a target's budget, held until `close` or the end of the process."""

    def __init__(self, ceilings: Ceilings, account: _SharedAccount | None, lease: Path | None, descriptor: int) -> None:
        self._ceilings = ceilings
        self._account = account
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
        """Take part in the budget of *target*; the first to do so begins it anew.

        Args:
            target: whose ceilings hold, with the address of the intake that is used.
            run: folder of the run, or what else sends; processes of one run name the same.
            rate: events a second that this run plans; 0 where another process of the run says so.
            folder: of all budgets; by default the user's.

        Raises:
            TargetError: with the rates of the runs that go on now, *rate* would be above the ceiling.
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
        """Do as `open`, where a process knows the *intake* and the *ceilings* of the target *name* only."""
        if ceilings == Ceilings():
            return cls(ceilings, None, None, -1)
        place = (folder or state_folder(os.environ)) / "targets" / quote(urlsplit(intake).netloc, safe="")
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _gate(place):
                others = list(_living(place))
                _check_rates(name, ceilings, Holder(run, rate, os.getpid()), others)
                account = _SharedAccount(place / _BALANCE)
                if not others:
                    account.reset()
                return cls(ceilings, account, *_new_lease(place, Holder(run, rate, os.getpid())))
        except OSError as error:
            raise BudgetError(
                f"the budget of target {name!r} cannot be kept in {place}: {error.strerror}; "
                f"name another folder with {STATE_VARIABLE}"
            ) from error

    def governor(self, share: float = 1.0) -> RateLimiter:
        """Return what holds this process below the ceilings, together with all others; *share* is this machine's."""
        if self._account is None:
            return RateLimiter(self._ceilings, share=share, start_s=None)
        # The monotonic clock is the same for all processes of a machine.
        return RateLimiter(self._ceilings, share=share, account=self._account, clock=time.monotonic)

    def spent(self) -> float:
        """Return how many events were let through since the budget began; 0 without ceilings."""
        found = [0.0]

        def look(balance: Balance) -> tuple[Balance, float]:
            found[0] = balance.spent
            return balance, 0.0

        if self._account is not None:
            self._account.change(look)
        return found[0]

    def close(self) -> None:
        """Give the lease back."""
        if self._account is None or self._lease is None:
            return
        self._lease.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._account.close()
        self._account = self._lease = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def _gate(place: Path) -> Iterator[None]:
    """Let one process at a time look at the leases and add its own."""
    descriptor = os.open(place / _GATE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _new_lease(place: Path, holder: Holder) -> tuple[Path, int]:
    path = place / f"{_LEASE}{uuid.uuid4().hex}"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.write(descriptor, orjson.dumps(holder._asdict()))
    return path, descriptor


def _living(place: Path) -> Iterator[Holder]:
    """Yield the holders of the leases whose processes live; remove the others' files."""
    for path in place.glob(f"{_LEASE}*"):
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
    """Return what a lease that somebody holds says; one that cannot be read still counts."""
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
    together = sum(rates.values())
    if together and together + own.rate > ceilings.rate * (1 + 1e-9):
        busiest = max((other for other in others if other.run in rates), key=lambda other: other.rate)
        raise TargetError(
            f"target {name!r} allows a rate of {ceilings.rate:,g} events/s: {busiest.run} (process {busiest.process}) "
            f"and others plan {together:,.6g} now, and this run {own.rate:,.6g} more: nothing was sent. "
            "Wait for the other run, or ask for less."
        )
