"""The folders of the runs: made once, found by name, the newest under the name `latest`."""

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
    """A run that does not exist, or whose folder cannot be made."""

    page = "docs/guide/troubleshooting.md"


def new_run(runs: Path, *, name: str | None = None, now: datetime | None = None) -> Path:
    """Make the folder of a new run under *runs* and let `latest` point to it.

    Args:
        runs: the folder of all runs; made when it is missing.
        name: the run's name; by default the moment it starts, `20260131-143000`, with a number when taken.
        now: the clock (UTC).

    Raises:
        RunFolderError: the name is not a plain word, is taken, or the folder cannot be made.
    """
    if name is not None and (not _NAME.fullmatch(name) or name == LATEST):
        raise RunFolderError(f"run name {name!r}: use letters, digits, dots, dashes and underscores")
    if runs.exists() and not runs.is_dir():
        raise RunFolderError(f"cannot make a run in {runs}: it is no folder")
    stem = name or (now or datetime.now(UTC)).strftime("%Y%m%d-%H%M%S")
    try:
        folder = _make(runs, stem, numbered=name is None)
        (folder / LEDGER).mkdir()
        (folder / OBSERVED).mkdir()
        _point_latest(runs, folder)
    except FileExistsError:
        raise RunFolderError(f"run {stem!r} exists already in {runs}: choose another name") from None
    except OSError as error:
        raise RunFolderError(f"cannot make a run in {runs}: {error.strerror}") from error
    return folder


def find_run(runs: Path, name: str) -> Path:
    """Return the folder of the run *name*: a name under *runs* (also `latest`), or a path.

    Raises:
        RunFolderError: there is no such run.
    """
    dangling = name == LATEST and not (runs / LATEST).exists()
    newest = _newest(runs) if dangling or _is_copy(runs, name) else None
    for folder in (newest or runs / name, Path(name)):
        if (folder / FILE_NAME).is_file():
            return folder.resolve()
    known = sorted(path.parent.name for path in runs.glob(f"*/{FILE_NAME}") if path.parent.name != LATEST)
    hint = f"the newest there is {known[-1]!r}" if known else "there is none yet: `dogfood run` makes one"
    raise RunFolderError(f"no run {name!r} in {runs}: {hint}")


def _is_copy(runs: Path, name: str) -> bool:
    """Return whether *name* is `latest`, and a folder instead of a link to the newest run."""
    return name == LATEST and (runs / LATEST).is_dir() and not (runs / LATEST).is_symlink()


def _newest(runs: Path) -> Path | None:
    """Return the run that was set up last; None where there is none."""
    found: list[tuple[str, str, Path]] = []
    for path in runs.glob(f"*/{FILE_NAME}"):
        with suppress(DogfoodError):
            found.append((Manifest.read(path.parent).created, path.parent.name, path.parent))
    # A copy under the name `latest` is the same run as the one it was copied from, which comes first then.
    return max(found, key=lambda item: (item[0], item[1] != LATEST, item[1]))[2] if found else None


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
        return  # runs that were copied with their links followed; `find_run` looks for the newest
    draft = runs / f".{LATEST}.{folder.name}"
    draft.unlink(missing_ok=True)
    draft.symlink_to(folder.name, target_is_directory=True)
    draft.replace(runs / LATEST)
