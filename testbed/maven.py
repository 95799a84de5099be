"""Java programs of the testbed: their jars, resolved by Maven into a cache that all testbeds of a user share.

What is needed is a `pom.xml` with exact versions. Maven fetches from where the user's own settings say. Beside the
descriptor, `jars.sha256` lists what it has to be; `python -m testbed.maven POM` writes that list, after a change of the
versions.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from common.errors import DogfoodError
from common.parent_death import end_with_parent
from testbed.http_server import guarded

JAVA = 17
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


def java(path: str | None = None) -> str:
    """Return the command that starts Java 17 or newer.

    Args:
        path: where to look for it; JAVA_HOME and the PATH when None.

    Raises:
        DogfoodError: there is none, or it is too old; with what to install.
    """
    home = os.environ.get("JAVA_HOME")
    where = path if path is not None else os.pathsep.join([*([f"{home}/bin"] if home else []), os.environ["PATH"]])
    found = shutil.which("java", path=where)
    if found is None:
        raise DogfoodError(f"Java {JAVA} is missing: install it (Debian: apt-get install default-jre-headless)")
    said = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < JAVA:
        told = said.partition("\n")[0] or "no version"
        raise DogfoodError(f"Java {JAVA} or newer is needed, {found} is {told}: install it, or set JAVA_HOME")
    return found


def jars(pom: Path) -> Path:
    """Return the folder with the jars of *pom*; on the first call Maven fetches them, which takes about a minute.

    The folder is complete or not there at all; a fetch that was killed leaves nothing that is taken for it.

    Raises:
        DogfoodError: Maven is missing, cannot fetch, or fetched something else than `jars.sha256` lists.
    """
    listed = pom.with_name("jars.sha256").read_bytes()
    folder = _cache() / f"{pom.parent.name}-{hashlib.sha256(pom.read_bytes() + listed).hexdigest()[:16]}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=folder.parent) as name:
            draft = Path(name) / "jars"
            _fetch(pom, draft)
            _check(_sums(draft), _parse(listed.decode()), pom)
            if not folder.is_dir():
                draft.rename(folder)
    # Also what was fetched before: what lies in a cache may have been changed since.
    _check(_sums(folder), _parse(listed.decode()), pom, folder)
    return folder


def _cache() -> Path:
    own = os.environ.get("DOGFOOD_CACHE")
    general = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(own) if own else general / "experiment-dogfood"


def _fetch(pom: Path, to: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise DogfoodError("Maven is missing, which fetches the jars: install it (Debian: apt-get install maven)")
    words = ("--batch-mode", "--quiet", "--strict-checksums", "-Dstyle.color=never", "--file", str(pom.resolve()))
    done = subprocess.run(
        end_with_parent([maven, *words, _COPY, f"-DoutputDirectory={to}"]), capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("[ERROR]")]
        raise DogfoodError(f"Maven cannot fetch the jars of {pom}: {said[0][8:] if said else done.stderr[-300:]}")


def _sums(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.jar"))}


def _parse(listed: str) -> dict[str, str]:
    """Return the sums of a file in the format of sha256sum."""
    return {name: digest for digest, _, name in (line.partition("  ") for line in listed.splitlines())}


def _check(found: Mapping[str, str], listed: Mapping[str, str], pom: Path, cached: Path | None = None) -> None:
    odd = sorted(name for name in found.keys() | listed.keys() if found.get(name) != listed.get(name))
    if odd:
        what = f"{odd[0]} is not what jars.sha256 beside {pom} lists ({len(odd)} such jars): not used"
        raise DogfoodError(f"{what}; remove {cached} to have it fetched again" if cached else what)


def main() -> None:
    """Fetch the jars of a descriptor anew and write down their sums."""
    parser = argparse.ArgumentParser(prog="python -m testbed.maven", description=__doc__)
    parser.add_argument("pom", type=Path)
    pom: Path = parser.parse_args().pom
    with tempfile.TemporaryDirectory() as name:
        _fetch(pom, Path(name))
        lines = [f"{digest}  {jar}\n" for jar, digest in _sums(Path(name)).items()]
    pom.with_name("jars.sha256").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    guarded(main)
