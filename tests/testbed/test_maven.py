"""Java and the jars: clear errors when something is missing, and no jar with a wrong checksum."""

import hashlib
from pathlib import Path

import pytest

from common.errors import DogfoodError
from testbed.maven import jars, java

CONTENT = b"a jar"


@pytest.fixture
def pom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a descriptor, with a fake Maven that creates one jar for it."""
    programs = tmp_path / "bin"
    programs.mkdir()
    maven = programs / "mvn"
    maven.write_text(
        '#!/bin/sh\nfor word in "$@"; do case $word in -DoutputDirectory=*) to="${word#*=}";; esac; done\n'
        'mkdir -p "$to"\nprintf "a jar" > "$to/some.jar"\n'
    )
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("DOGFOOD_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "program" / "pom.xml"
    path.parent.mkdir()
    path.write_text("<project/>")
    (path.parent / "jars.sha256").write_text(f"{hashlib.sha256(CONTENT).hexdigest()}  some.jar\n")
    return path


def test_jars_are_fetched_once(pom: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = jars(pom)
    assert (folder / "some.jar").read_bytes() == CONTENT
    monkeypatch.setenv("PATH", "")
    assert jars(pom) == folder
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize("name", ["some.jar", "another.jar"])
def test_cached_jars_are_checked_each_time(pom: Path, name: str) -> None:
    folder = jars(pom)
    (folder / name).write_bytes(b"something else")
    with pytest.raises(DogfoodError, match=f"{name} .* remove {folder}"):
        jars(pom)


@pytest.mark.parametrize("listed", ["", f"{'0' * 64}  some.jar\n", f"{'0' * 64}  another.jar\n"])
def test_jars_with_wrong_checksums_are_not_used(pom: Path, listed: str) -> None:
    pom.with_name("jars.sha256").write_text(listed)
    with pytest.raises(DogfoodError, match=r"jars\.sha256 beside "):
        jars(pom)
    assert list((pom.parents[1] / "cache").iterdir()) == []


def test_without_maven_it_says_what_to_install(pom: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DogfoodError, match="apt-get install maven"):
        jars(pom)


def test_mavens_error_is_in_the_message(pom: Path) -> None:
    maven = pom.parents[1] / "bin" / "mvn"
    maven.write_text('#!/bin/sh\necho "[ERROR] no such artifact"\nexit 1\n')
    with pytest.raises(DogfoodError, match="no such artifact"):
        jars(pom)
    assert list((pom.parents[1] / "cache").iterdir()) == []


def test_without_java_it_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(DogfoodError, match="apt-get install default-jre-headless"):
        java(str(tmp_path))


def test_an_old_java_is_rejected(tmp_path: Path) -> None:
    old = tmp_path / "java"
    old.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n")
    old.chmod(0o755)
    with pytest.raises(DogfoodError, match=r"Java 17 or newer is needed, .* is openjdk version \"11"):
        java(str(tmp_path))
    old.write_text("#!/bin/sh\necho 'openjdk version \"21\" 2023-09-19' >&2\n")
    assert java(str(tmp_path)) == str(old)
