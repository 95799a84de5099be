import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from common.atomic_write import atomic_write
from contracts.generation import Generation
from run_record.manifest import Manifest, ManifestError
from run_record.run_folder import RunFolderError, find_run, new_run
from run_record.target import Target, TargetError

NOW = datetime(2025, 1, 31, 14, 30, tzinfo=UTC)


def manifest(**changes: object) -> Manifest:
    values: dict[str, object] = {
        "run_id": "r", "created": "2025-01-31T14:30:00+00:00", "fidelity": "synthetic", "generation": Generation.XLAB,
        "wiki": "testwiki", "stream": "s", "visitors": 5, "hasty": False, "batch_size": 1, "target": {"name": "local"},
        "plan": {"seed": 1},
    }  # fmt: skip
    return Manifest(**{**values, **changes})  # type: ignore[arg-type]


def test_a_manifest_is_read_back(tmp_path: Path) -> None:
    created = manifest().started(10).finished(20, stopped_early=True)
    created.write(tmp_path)
    assert Manifest.read(tmp_path) == created
    assert (created.started_ms, created.finished_ms, created.stopped_early) == (10, 20, True)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"{", "manifest.json: it is not JSON"),
        (b"[]", "expected `object`, got `array`"),
        (b'{"surprise": 1}', "unknown field `surprise`"),
        (b"{}", "missing required field `run_id`"),
    ],
)
def test_a_malformed_manifest_is_one_clear_line(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(ManifestError, match=says):
        Manifest.read(tmp_path)


def test_a_folder_without_manifest_is_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="is not a run"):
        Manifest.read(tmp_path)


def test_runs_are_numbered_and_the_newest_is_latest(tmp_path: Path) -> None:
    first, second = new_run(tmp_path, now=NOW), new_run(tmp_path, now=NOW)
    assert (first.name, second.name) == ("20250131-143000", "20250131-143000-2")
    for folder in (first, second):
        manifest().write(folder)
    assert find_run(tmp_path, "latest") == second.resolve()
    assert find_run(tmp_path, first.name) == find_run(tmp_path, str(first)) == first.resolve()


@pytest.mark.parametrize("name", ["latest", "../x", "", ".hidden", "a b"])
def test_names_of_runs_are_plain_words(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunFolderError, match="run name"):
        new_run(tmp_path, name=name)


def test_missing_runs_and_used_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="there is none yet"):
        find_run(tmp_path, "latest")
    manifest().write(new_run(tmp_path, name="mine"))
    with pytest.raises(RunFolderError, match="the newest there is 'mine'"):
        find_run(tmp_path, "yours")
    with pytest.raises(RunFolderError, match="exists already"):
        new_run(tmp_path, name="mine")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="cannot create a run"):
        new_run(tmp_path / "file")


def test_a_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "x"
    atomic_write(path, b"one")
    atomic_write(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(OSError, match="No such file"):
        atomic_write(tmp_path / "no" / "x", b"")


GOOD = """
description = "d"
intake = "http://127.0.0.1:8192/v1/events"
mpic = "http://127.0.0.1:8086"
hosts = ["127.0.0.1"]
"""


def target(folder: Path, text: str = GOOD) -> Target:
    (folder / "mine.toml").write_text(text)
    return Target.read("mine", folder)


def test_the_local_target_is_valid() -> None:
    assert Target.read("local").hosts == ("127.0.0.1", "localhost", "::1")


def test_addresses_stay_within_the_hosts(tmp_path: Path) -> None:
    moved = target(tmp_path).at(intake="http://127.0.0.1:9/v1/events")
    assert moved.intake == "http://127.0.0.1:9/v1/events"
    assert moved.mpic == "http://127.0.0.1:8086"


@pytest.mark.parametrize(
    "address",
    [
        "http://intake.example.org/v1/events",
        "http://127.0.0.1.example.org/",
        "http://127.0.0.1@example.org/",
        "http://user@127.0.0.1/",
        "ftp://127.0.0.1/",
        "127.0.0.1:8192",
        "http://[::1",
        "http://127.0.0.1:99999/",
        "",
    ],
)
def test_an_unknown_host_is_refused(tmp_path: Path, address: str) -> None:
    if not address:
        assert target(tmp_path).at(intake=address) == target(tmp_path)
        return
    with pytest.raises(TargetError):
        target(tmp_path).at(intake=address)
    with pytest.raises(TargetError):
        target(tmp_path, GOOD.replace("http://127.0.0.1:8086", address))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = ", "cannot be read as TOML"),
        (GOOD.replace("hosts", "hostes"), "hosts is missing"),
        (GOOD + "rate = 1", "rate is not a field"),
        (GOOD.replace('["127.0.0.1"]', "[]"), "hosts has to be a list"),
        (GOOD.replace('"d"', "1"), "description has to be a string"),
    ],
)
def test_an_invalid_target_is_one_clear_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(TargetError, match=says):
        target(tmp_path, text)


def test_an_unknown_target_lists_the_known_ones(tmp_path: Path) -> None:
    target(tmp_path)
    with pytest.raises(TargetError, match="known: mine"):
        Target.read("yours", tmp_path)


def test_latest_as_real_folder_is_left_alone(tmp_path: Path) -> None:
    old = new_run(tmp_path, name="old")
    manifest(created="2025-01-01T00:00:00+00:00").write(old)
    (tmp_path / "latest").unlink()
    shutil.copytree(old, tmp_path / "latest")
    assert find_run(tmp_path, "latest").name == "old"
    newer = new_run(tmp_path, name="newer")
    manifest(created="2025-01-02T00:00:00+00:00").write(newer)
    assert find_run(tmp_path, "latest") == newer
    assert (tmp_path / "latest" / "manifest.json").is_file()


def test_latest_of_removed_run_is_the_newest(tmp_path: Path) -> None:
    kept = new_run(tmp_path, name="kept")
    manifest(created="2025-01-01T00:00:00+00:00").write(kept)
    shutil.rmtree(new_run(tmp_path, name="removed"))
    assert find_run(tmp_path, "latest") == kept
