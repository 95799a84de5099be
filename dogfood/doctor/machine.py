"""This machine: Python, the packages, PHP, Chromium, the disk, the testbed's ports."""

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

from browser_scenarios.chromium import BrowserError, installed_browser
from common.errors import KitFaultError
from dogfood.doctor.diagnosis import Diagnosis, fine, missing, unknown
from dogfood.testbed_control.modules import run_module
from dogfood.testbed_control.service_health import why_taken
from dogfood.testbed_control.services import Testbed
from run_record.load_report.machine_sampler import load_now
from run_record.load_report.machine_usage import Machine, busy_warning

_OLDEST = (3, 11)

#: The unpacked wiki, its database, and a few runs of the usual size.
_WANTED_BYTES = 2 * 2**30

_PAGE = "docs/guide/troubleshooting.md"


def examine_machine(testbed: Path, runs: Path) -> Iterator[Diagnosis]:
    """Yield how this machine is.

    Args:
        testbed: folder of the testbed.
        runs: folder of the runs.
    """
    yield python(sys.version_info[:3])
    yield packages(requires("experiment-dogfood") or ())
    yield php()
    yield chromium()
    yield java()
    yield busy(load_now())
    for name, folder in (("testbed", testbed), ("runs", runs)):
        yield disk(name, folder)


def python(version: tuple[int, ...]) -> Diagnosis:
    """Return whether Python is new enough."""
    told = f"Python {'.'.join(map(str, version))}"
    if version < _OLDEST:
        return missing(
            "machine", "python", f"{told} is too old", "install Python 3.11 or newer: make PYTHON=python3.11", _PAGE
        )
    return fine("machine", "python", told)


def packages(wanted: Iterable[str], version_of: Callable[[str], str] = version) -> Diagnosis:
    """Return whether the packages that the kit needs are installed.

    Args:
        wanted: requirements as in the package's metadata; those of optional groups are left out.
        version_of: returns the version of an installed package, or raises PackageNotFoundError.
    """
    needed = [item for item in map(Requirement, wanted) if item.marker is None or item.marker.evaluate({"extra": ""})]
    absent = [item.name for item in needed if not _is_satisfied(item, version_of)]
    if absent:
        return missing("machine", "packages", f"missing or too old: {', '.join(absent)}", "make setup", _PAGE)
    return fine("machine", "packages", f"all {len(needed)} that are needed")


def php() -> Diagnosis:
    """Return whether PHP can run TestWiki."""
    try:
        said = run_module("looking for PHP", "testbed.wiki.php")
    except KitFaultError as error:
        what = str(error).removeprefix("looking for PHP failed: ").removeprefix("error: ")
        return missing("machine", "php", what, "install it, or leave wiki and browser out of --fidelity", _PAGE)
    return fine("machine", "php", said)


def java() -> Diagnosis:
    """Return whether there is a Java, which Kafka and Spark run on; nothing else needs it."""
    path = shutil.which("java")
    if path is None:
        remedy = "to use them: on Debian, apt-get install default-jre-headless"
        return unknown("machine", "java", "there is none; only Kafka and Hive need it", remedy, _PAGE)
    return fine("machine", "java", path)


def busy(machine: Machine) -> Diagnosis:
    """Return whether *machine* has the time to keep a run's schedule; a busy one is a warning and nothing missing."""
    if warning := busy_warning(machine):
        told, _, remedy = warning.partition("; ")
        return unknown("machine", "load", told, remedy, _PAGE)
    return fine("machine", "load", machine.summary)


def chromium() -> Diagnosis:
    """Return whether there is a browser."""
    try:
        path = installed_browser()
    except BrowserError as error:
        return missing("machine", "chromium", str(error), "install it, or leave browser out of --fidelity", _PAGE)
    return fine("machine", "chromium", path)


def disk(name: str, folder: Path, free_bytes: Callable[[Path], int] | None = None) -> Diagnosis:
    """Return whether there is room for the testbed, or for runs, where *folder* is or will be."""
    there = next((path for path in (folder.resolve(), *folder.resolve().parents) if path.is_dir()), Path("/"))
    try:
        free = (free_bytes or _free_bytes)(there)
    except OSError as error:
        return missing("machine", f"disk for {name}", f"{there} cannot be looked at: {error.strerror}", "name another")
    told = f"{free / 2**30:.1f} GiB free for {folder}"
    if free < _WANTED_BYTES:
        least = f"{_WANTED_BYTES / 2**30:.0f} GiB"
        return missing(
            "machine", f"disk for {name}", told, f"make room ({least}), or name another folder with --{name}", _PAGE
        )
    return fine("machine", f"disk for {name}", told)


def examine_testbed(testbed: Testbed) -> Iterator[Diagnosis]:
    """Yield, for each service of the testbed, whether it runs, or could be started."""
    usual = {service.name: service.port for service in testbed.services()}
    for state in testbed.status():
        if state.health == "healthy":
            yield fine("testbed", state.name, f"runs at {state.address}")
        elif state.port is None and state.address:
            told = f"{state.address} does not answer, and is not the testbed's own"
            yield missing("testbed", state.name, told, "start it, or choose another stream with dogfood up", _PAGE)
        elif state.port is not None:
            told = f"process {state.pid} does not answer on port {state.port}"
            yield missing("testbed", state.name, told, f"dogfood down; dogfood up (its log: {state.log})", _PAGE)
        elif why := why_taken(usual[state.name]):
            remedy = f"start it on another: dogfood up --{state.name}-port PORT"
            yield missing("testbed", state.name, f"port {usual[state.name]} cannot be used ({why})", remedy, _PAGE)
        else:
            yield unknown("testbed", state.name, f"stopped; port {usual[state.name]} is free", "dogfood up")


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _is_satisfied(wanted: Requirement, version_of: Callable[[str], str]) -> bool:
    try:
        return wanted.specifier.contains(Version(version_of(wanted.name)), prereleases=True)
    except PackageNotFoundError:
        return False
