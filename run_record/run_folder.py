"""Create and find the folders of runs; `latest` is a link to the newest."""

import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from common.errors import DogfoodError
from run_record.manifest import FILE_NAME, Manifest

LATEST = "latest"
LEDGER = "ledger"
OBSERVED = "observed"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class RunFolderError(DogfoodError):
    """A run does not exist, or its folder cannot be created."""

    page = "docs/guide/troubleshooting.md"


def new_run(runs: Path, *, name: str | None = None, now: datetime | None = None) -> Path:
    """Create the folder of a new run under *runs*, and link `latest` to it.

    Args:
        runs: the folder of all runs; created when it is missing.
        name: the run's name; by default its start time, `20260131-143000`, with a number if that is in use.
        now: the current time (UTC).

    Raises:
        RunFolderError: the name is invalid or in use, or the folder cannot be created.
    """
    if name is not None and (not _NAME.fullmatch(name) or name == LATEST):
        raise RunFolderError(f"run name {name!r}: use letters, digits, dots, dashes and underscores")
    if runs.exists() and not runs.is_dir():
        raise RunFolderError(f"cannot create a run in {runs}: it is not a folder")
    stem = name or (now or datetime.now(UTC)).strftime("%Y%m%d-%H%M%S")
    try:
        folder = _make(runs, stem, numbered=name is None)
        (folder / LEDGER).mkdir()
        (folder / OBSERVED).mkdir()
        _point_latest(runs, folder)
    except FileExistsError:
        raise RunFolderError(f"run {stem!r} exists already in {runs}: choose another name") from None
    except OSError as error:
        raise RunFolderError(f"cannot create a run in {runs}: {error.strerror}") from error
    return folder


def find_run(runs: Path, name: str) -> Path:
    """Return the folder of the run *name*, which is a name under *runs* (also `latest`) or a path.

    Raises:
        RunFolderError: there is no such run.
    """
    dangling = name == LATEST and not (runs / LATEST).exists()
    newest = _newest(runs) if dangling or _is_copy(runs, name) else None
    for folder in (newest or runs / name, Path(name)):
        if (folder / FILE_NAME).is_file():
            return folder.resolve()
    known = sorted(path.parent.name for path in runs.glob(f"*/{FILE_NAME}") if path.parent.name != LATEST)
    hint = f"the newest there is {known[-1]!r}" if known else "there is none yet; create one with `dogfood run`"
    raise RunFolderError(f"no run {name!r} in {runs}: {hint}")


def _is_copy(runs: Path, name: str) -> bool:
    """Return whether *name* is `latest`, and that is a folder instead of a link."""
    return name == LATEST and (runs / LATEST).is_dir() and not (runs / LATEST).is_symlink()


def _newest(runs: Path) -> Path | None:
    """Return the run with the latest set-up; None without runs."""
    candidates: list[tuple[str, str, Path]] = []
    for path in runs.glob(f"*/{FILE_NAME}"):
        with suppress(DogfoodError):
            candidates.append((Manifest.read(path.parent).created, path.parent.name, path.parent))
    # A folder `latest` is a copy of another run; prefer the original.
    return max(candidates, key=lambda item: (item[0], item[1] != LATEST, item[1]))[2] if candidates else None


def _make(runs: Path, stem: str, *, numbered: bool) -> Path:
    runs.mkdir(parents=True, exist_ok=True)
    for attempt in range(1, 1000):
        folder = runs / (stem if attempt == 1 else f"{stem}-{attempt}")
        try:
            folder.mkdir()
        except FileExistsError:
            if not numbered:
                raise
        else:
            return folder
    raise FileExistsError(stem)


def _point_latest(runs: Path, folder: Path) -> None:
    if _is_copy(runs, LATEST):
        return  # the runs were copied without links; `find_run` looks for the newest
    link = runs / f".{LATEST}.{folder.name}"
    link.unlink(missing_ok=True)
    link.symlink_to(folder.name, target_is_directory=True)
    link.replace(runs / LATEST)
