"""Checks of this machine: Python, packages, PHP, Chromium, Java, load, disk, the testbed's ports."""

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
from dogfood.testbed_control.child_processes import run_module
from dogfood.testbed_control.service_health import port_problem
from dogfood.testbed_control.services import Testbed
from run_record.load_report.machine_sampler import load_now
from run_record.load_report.machine_usage import Machine, busy_warning

_OLDEST = (3, 11)

#: Space for the unpacked wiki, its database and a few runs, in bytes.
_NEEDED_BYTES = 2 * 2**30

_PAGE = "docs/guide/troubleshooting.md"


def examine_machine(testbed: Path, runs: Path) -> Iterator[Diagnosis]:
    """Examine this machine.

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
    """Check the version of Python."""
    summary = f"Python {'.'.join(map(str, version))}"
    if version < _OLDEST:
        return missing(
            "machine", "python", f"{summary} is too old", "install Python 3.11 or newer: make PYTHON=python3.11", _PAGE
        )
    return fine("machine", "python", summary)


def packages(requirements: Iterable[str], version_of: Callable[[str], str] = version) -> Diagnosis:
    """Check that the packages that the kit needs are installed.

    Args:
        requirements: requirements as in the package's metadata; optional groups are skipped.
        version_of: returns the version of an installed package, or raises PackageNotFoundError.
    """
    needed = [
        item for item in map(Requirement, requirements) if item.marker is None or item.marker.evaluate({"extra": ""})
    ]
    absent = [item.name for item in needed if not _is_satisfied(item, version_of)]
    if absent:
        return missing("machine", "packages", f"missing or too old: {', '.join(absent)}", "make setup", _PAGE)
    return fine("machine", "packages", f"all {len(needed)} required packages are installed")


def php() -> Diagnosis:
    """Check that PHP can run TestWiki."""
    try:
        version_line = run_module("looking for PHP", "testbed.wiki.php")
    except KitFaultError as error:
        problem = str(error).removeprefix("looking for PHP failed: ").removeprefix("error: ")
        return missing("machine", "php", problem, "install it, or leave wiki and browser out of --fidelity", _PAGE)
    return fine("machine", "php", version_line)


def java() -> Diagnosis:
    """Look for Java, which only Kafka and Spark need."""
    path = shutil.which("java")
    if path is None:
        remedy = "to use them: on Debian, apt-get install default-jre-headless"
        return unknown("machine", "java", "not installed; only Kafka and Hive need it", remedy, _PAGE)
    return fine("machine", "java", path)


def busy(machine: Machine) -> Diagnosis:
    """Check that *machine* is idle enough to keep a run's schedule; a busy one is only a warning."""
    if warning := busy_warning(machine):
        summary, _, remedy = warning.partition("; ")
        return unknown("machine", "load", summary, remedy, _PAGE)
    return fine("machine", "load", machine.summary)


def chromium() -> Diagnosis:
    """Look for Chromium."""
    try:
        path = installed_browser()
    except BrowserError as error:
        return missing("machine", "chromium", str(error), "install it, or leave browser out of --fidelity", _PAGE)
    return fine("machine", "chromium", path)


def disk(name: str, folder: Path, free_bytes: Callable[[Path], int] | None = None) -> Diagnosis:
    """Check the free space for the testbed, or for runs, where *folder* is or will be."""
    parent = next((path for path in (folder.resolve(), *folder.resolve().parents) if path.is_dir()), Path("/"))
    try:
        free = (free_bytes or _free_bytes)(parent)
    except OSError as error:
        return missing("machine", f"disk for {name}", f"{parent} cannot be read: {error.strerror}", "name another")
    summary = f"{free / 2**30:.1f} GiB free for {folder}"
    if free < _NEEDED_BYTES:
        least = f"{_NEEDED_BYTES / 2**30:.0f} GiB"
        return missing(
            "machine", f"disk for {name}", summary, f"free {least}, or name another folder with --{name}", _PAGE
        )
    return fine("machine", f"disk for {name}", summary)


def examine_testbed(testbed: Testbed) -> Iterator[Diagnosis]:
    """Check of each service of the testbed that it runs, or could be started."""
    usual = {service.name: service.port for service in testbed.services()}
    for state in testbed.status():
        if state.health == "healthy":
            yield fine("testbed", state.name, f"runs at {state.address}")
        elif state.port is None and state.address:
            summary = f"{state.address} does not answer, and the testbed did not start it"
            yield missing("testbed", state.name, summary, "start it, or choose another stream with dogfood up", _PAGE)
        elif state.port is not None:
            summary = f"process {state.pid} does not answer on port {state.port}"
            yield missing("testbed", state.name, summary, f"dogfood down; dogfood up (its log: {state.log})", _PAGE)
        elif problem := port_problem(usual[state.name]):
            remedy = f"start it on another port: dogfood up --{state.name}-port PORT"
            yield missing("testbed", state.name, f"port {usual[state.name]} cannot be used ({problem})", remedy, _PAGE)
        else:
            yield unknown("testbed", state.name, f"stopped; port {usual[state.name]} is free", "dogfood up")


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _is_satisfied(requirement: Requirement, version_of: Callable[[str], str]) -> bool:
    try:
        return requirement.specifier.contains(Version(version_of(requirement.name)), prereleases=True)
    except PackageNotFoundError:
        return False
