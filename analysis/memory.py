"""How much memory the database may use: a share of what this process is allowed, beyond which it spills to disk."""

import os
import resource
from pathlib import Path
from typing import NamedTuple

_GB = 1 << 30

#: Without any limit of this process or its group.
DEFAULT_BYTES = 2 * _GB

#: Of what is left under a limit, so much is the database's; the rest is Python's, Arrow's and the threads'.
_SHARE = 0.4

#: With less the database cannot work.
_LEAST_BYTES = 64 << 20

_CGROUPS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


class MemoryBudget(NamedTuple):
    """What the database may use.

    Attributes:
        bytes: of memory before it spills to disk.
        threads: at most; each needs memory of its own.
        limit: what sets the limit, in words; empty where nothing does.
    """

    bytes: int
    threads: int
    limit: str = ""


def budget() -> MemoryBudget:
    """Return the memory and threads for a database of this process."""
    cores = os.cpu_count() or 1
    left, limit = _tightest()
    share = int(left * _SHARE)
    if not limit or share >= DEFAULT_BYTES:
        return MemoryBudget(DEFAULT_BYTES, cores, limit)
    return MemoryBudget(max(share, _LEAST_BYTES), max(1, min(cores, share // (128 << 20))), limit)


def address_limit() -> str:
    """Return the limit of this process' address space, in words; empty where there is none."""
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return "" if soft == resource.RLIM_INFINITY else f"ulimit -v of {soft / _GB:.1f} GB"


def scratch_prefix(process: int) -> str:
    """Return how the names of the folders begin in which the process with this id keeps tables."""
    return f"dogfood-analysis-{process}-"


def out_of_memory(why: str) -> str:
    """Return what to tell of a database, or Python, that ran out of memory."""
    given = budget()
    limit = given.limit or f"the database's own limit of {given.bytes / _GB:.1f} GB"
    return (
        f"the analysis ran out of memory under {limit} ({why.splitlines()[0]}): raise the limit, or name fewer files "
        "with --observed"
    )


def _tightest() -> tuple[int, str]:
    """Return how many bytes are left under the lowest limit, and which that is."""
    found: list[tuple[int, str]] = []
    if limit := address_limit():
        found.append((max(resource.getrlimit(resource.RLIMIT_AS)[0] - _used(0), 0), limit))
    for path in _CGROUPS:
        try:
            text = path.read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdigit() and int(text) < 1 << 60:
            found.append((max(int(text) - _used(1), 0), f"a memory limit of {int(text) / _GB:.1f} GB (cgroup)"))
    return min(found, default=(DEFAULT_BYTES, ""))


def _used(column: int) -> int:
    """Return this process' address space (0) or resident memory (1), bytes."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[column]
    return int(pages) * resource.getpagesize()
