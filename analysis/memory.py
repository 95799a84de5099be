"""Memory budget of the database: a share of this process' limit; above it, the database spills to disk."""

import os
import resource
from pathlib import Path
from typing import NamedTuple

_GB = 1 << 30

#: Budget, bytes, where neither this process nor its group has a limit.
DEFAULT_BYTES = 2 * _GB

#: The database's share of the memory left under a limit; the rest is for Python, Arrow and threads.
_SHARE = 0.4

#: Minimum budget, bytes, with which the database works.
_MIN_BYTES = 64 << 20

_CGROUPS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


class MemoryBudget(NamedTuple):
    """Memory and threads that the database may use.

    Attributes:
        bytes: memory before the database spills to disk.
        threads: maximum number of threads; each needs memory.
        limit: the limit that the budget follows from, in words; empty without a limit.
    """

    bytes: int
    threads: int
    limit: str = ""


def budget() -> MemoryBudget:
    """Return the budget for a database in this process."""
    cores = os.cpu_count() or 1
    left, limit = _lowest_limit()
    share = int(left * _SHARE)
    if not limit or share >= DEFAULT_BYTES:
        return MemoryBudget(DEFAULT_BYTES, cores, limit)
    return MemoryBudget(max(share, _MIN_BYTES), max(1, min(cores, share // (128 << 20))), limit)


def address_limit() -> str:
    """Return the limit of this process' address space, in words; empty without a limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return "" if soft == resource.RLIM_INFINITY else f"ulimit -v of {soft / _GB:.1f} GB"


def scratch_prefix(process: int) -> str:
    """Return the prefix of the temporary database folders of the process with this id."""
    return f"dogfood-analysis-{process}-"


def out_of_memory(reason: str) -> str:
    """Return the error message for a database, or Python, that ran out of memory."""
    limits = budget()
    limit = limits.limit or f"the database's limit of {limits.bytes / _GB:.1f} GB"
    return (
        f"the analysis ran out of memory under {limit} ({reason.splitlines()[0]}): raise the limit, or name fewer "
        "files with --observed"
    )


def _lowest_limit() -> tuple[int, str]:
    """Return the bytes left under the lowest limit, and the limit in words."""
    limits: list[tuple[int, str]] = []
    if limit := address_limit():
        limits.append((max(resource.getrlimit(resource.RLIMIT_AS)[0] - _used(0), 0), limit))
    for path in _CGROUPS:
        try:
            text = path.read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdigit() and int(text) < 1 << 60:
            limits.append((max(int(text) - _used(1), 0), f"a memory limit of {int(text) / _GB:.1f} GB (cgroup)"))
    return min(limits, default=(DEFAULT_BYTES, ""))


def _used(column: int) -> int:
    """Return this process' address space (*column* 0) or resident memory (1), bytes."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[column]
    return int(pages) * resource.getpagesize()
