"""Jars of the testbed's Java programs: resolved by Maven into a cache that all testbeds of a user share.

A `pom.xml` names exact versions. Maven downloads from the repositories in the user's settings. The file `jars.sha256`
next to the descriptor lists the checksums; `python -m testbed.maven POM` writes it after a change of versions.
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
    """Return the path of the `java` command, version 17 or newer.

    Args:
        path: search path; JAVA_HOME and PATH when None.

    Raises:
        DogfoodError: Java is missing or too old.
    """
    java_home = os.environ.get("JAVA_HOME")
    folders = [f"{java_home}/bin"] if java_home else []
    search_path = path if path is not None else os.pathsep.join([*folders, os.environ["PATH"]])
    command = shutil.which("java", path=search_path)
    if command is None:
        raise DogfoodError(f"Java {JAVA} is missing: install it (Debian: apt-get install default-jre-headless)")
    output = subprocess.run([command, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', output)
    if version is None or int(version[1]) < JAVA:
        installed = output.partition("\n")[0] or "of unknown version"
        raise DogfoodError(f"Java {JAVA} or newer is needed, {command} is {installed}: install it, or set JAVA_HOME")
    return command


def jars(pom: Path) -> Path:
    """Return the folder with the jars of *pom*; on the first call Maven downloads them, which takes about a minute.

    The folder appears only when it is complete; a download that is killed leaves no such folder.

    Raises:
        DogfoodError: Maven is missing, the download fails, or a checksum differs from `jars.sha256`.
    """
    listed = pom.with_name("jars.sha256").read_bytes()
    folder = _cache() / f"{pom.parent.name}-{hashlib.sha256(pom.read_bytes() + listed).hexdigest()[:16]}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=folder.parent) as name:
            draft = Path(name) / "jars"
            _fetch(pom, draft)
            _check(_checksums(draft), _parse(listed.decode()), pom)
            if not folder.is_dir():
                draft.rename(folder)
    # Check cached jars too: somebody may have changed the cache.
    _check(_checksums(folder), _parse(listed.decode()), pom, folder)
    return folder


def _cache() -> Path:
    override = os.environ.get("DOGFOOD_CACHE")
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(override) if override else default / "experiment-dogfood"


def _fetch(pom: Path, to: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise DogfoodError("Maven is missing, which fetches the jars: install it (Debian: apt-get install maven)")
    words = ("--batch-mode", "--quiet", "--strict-checksums", "-Dstyle.color=never", "--file", str(pom.resolve()))
    done = subprocess.run(
        end_with_parent([maven, *words, _COPY, f"-DoutputDirectory={to}"]), capture_output=True, text=True, check=False
    )
    if process.returncode:
        errors = [line for line in (process.stdout + process.stderr).splitlines() if line.startswith("[ERROR]")]
        raise DogfoodError(
            f"Maven cannot download the jars of {pom}: {errors[0][8:] if errors else process.stderr[-300:]}"
        )


def _checksums(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.jar"))}


def _parse(listed: str) -> dict[str, str]:
    """Return the checksums, by file name, from text in the format of sha256sum."""
    return {name: digest for digest, _, name in (line.partition("  ") for line in listed.splitlines())}


def _check(actual: Mapping[str, str], listed: Mapping[str, str], pom: Path, cached: Path | None = None) -> None:
    different = sorted(name for name in actual.keys() | listed.keys() if actual.get(name) != listed.get(name))
    if different:
        problem = f"{different[0]} differs from jars.sha256 beside {pom} ({len(different)} such jars): not used"
        raise DogfoodError(f"{problem}; remove {cached} to download it again" if cached else problem)


def main() -> None:
    """Download the jars of a descriptor and write their checksums."""
    parser = argparse.ArgumentParser(prog="python -m testbed.maven", description=__doc__)
    parser.add_argument("pom", type=Path, help="descriptor of the jars")
    pom: Path = parser.parse_args().pom
    with tempfile.TemporaryDirectory() as name:
        _fetch(pom, Path(name))
        lines = [f"{digest}  {jar}\n" for jar, digest in _checksums(Path(name)).items()]
    pom.with_name("jars.sha256").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    guarded(main)
