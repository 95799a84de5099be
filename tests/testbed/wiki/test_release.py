"""Finding a release of MediaWiki and the extensions."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.wiki.installation import REAL_EXTENSIONS, WikiError, find_extensions
from testbed.wiki.release import ReleaseError, find_release, mirrors, suite_sources


@pytest.mark.parametrize(
    ("text", "archives"),
    [
        ("deb http://deb.example/debian bookworm main", ("http://deb.example/debian",)),
        ("deb [signed-by=/k.gpg] https://a.example/x/debian/ bookworm main", ("https://a.example/x/debian",)),
        (
            "Types: deb\nURIs: http://a.example/debian\nSuites: bookworm\n\n"
            "URIs: http://a.example/debian-security\nSuites: bookworm-security\n",
            ("http://a.example/debian", "http://a.example/debian-security"),
        ),
        ("# deb http://old.example/debian bookworm main\ndeb http://new.example/debian x main",
         ("http://new.example/debian",)),
    ],
)  # fmt: skip
def test_archives_are_read_from_apt_sources(text: str, archives: tuple[str, ...]) -> None:
    assert mirrors([text]) == archives


def test_sources_name_the_newer_suite_in_each_archive() -> None:
    sources = suite_sources(["http://a.example/debian", "http://a.example/debian-security"], "trixie")
    lines = [line.split("] ")[1] for line in sources.splitlines()]
    assert lines == ["http://a.example/debian trixie main", "http://a.example/debian-security trixie-security main"]


def test_without_an_archive_it_says_what_to_do() -> None:
    with pytest.raises(ReleaseError, match="name it with --mediawiki"):
        mirrors(["deb https://other.example/node_20.x nodistro main"])


@given(st.lists(st.text(max_size=40), max_size=5))
def test_any_text_gives_each_archive_once(texts: list[str]) -> None:
    result = mirrors([*texts, "deb http://a.example/debian x main"])
    assert "http://a.example/debian" in result
    assert len(set(result)) == len(result)


def release(folder: Path, version: str) -> Path:
    (folder / "includes").mkdir(parents=True)
    (folder / "includes" / "Defines.php").write_text(f"<?php\ndefine( 'MW_VERSION', '{version}' );\n")
    return folder


def test_a_given_release_is_used(tmp_path: Path) -> None:
    given_one = release(tmp_path / "mw", "1.44.0-rc.1")
    assert find_release(tmp_path / "none", given_one) == given_one
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(("version", "message"), [("1.39.17", r"1\.39; 1\.43"), ("", "not MediaWiki")])
def test_an_invalid_release_is_rejected(tmp_path: Path, version: str, message: str) -> None:
    given_one = release(tmp_path / "mw", version) if version else tmp_path
    with pytest.raises(ReleaseError, match=message):
        find_release(tmp_path / "none", given_one)


def test_all_real_extensions_are_required(tmp_path: Path) -> None:
    assert list(find_extensions(None)) == ["ExperimentPlatform"]
    for name in REAL_EXTENSIONS[:-1]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "extension.json").write_text("{}")
    with pytest.raises(WikiError, match=f"lacks {REAL_EXTENSIONS[-1]}"):
        find_extensions(tmp_path)
