"""The set-up lists what it installs and asks at a terminal; the licences of all packages."""

import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

from tests.licences import direct, licence_of, pins

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "requirements" / "system.sh"
TABLE = re.compile(r"^\| ([a-z0-9-]+) \| ([^|]+) \| ([^|]+) \|$", re.M)


def documented() -> dict[str, tuple[str, str]]:
    page = (
        (ROOT / "docs" / "reference" / "dependencies.md").read_text(encoding="utf-8").partition("## System packages")[0]
    )
    return {name: (licence, why) for name, licence, why in TABLE.findall(page) if name != "package"}


def test_every_pinned_package_is_documented_and_no_other() -> None:
    assert documented().keys() == pins().keys()


@pytest.mark.parametrize("name", sorted(pins()))
def test_the_page_states_licence_and_reason(name: str) -> None:
    licence, why = documented()[name]
    assert licence == licence_of(name)
    if name in direct():
        assert len(why.split()) > 1
    else:
        assert tuple(why.split(", ")) == pins()[name].needed_by


def test_no_package_is_under_a_gpl() -> None:
    assert [name for name in pins() if re.search(r"\bA?GPL", licence_of(name))] == []


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """The environment of a Debian without PHP and Chromium, whose apt-get and sudo record their calls."""
    for name in ("bash", "sh", "grep", "sed", "head", "php"):
        if name != "php":
            (tmp_path / name).symlink_to(f"/usr/bin/{name}" if Path(f"/usr/bin/{name}").exists() else f"/bin/{name}")
    calls = tmp_path / "calls"
    for name, text in {
        "apt-get": f'echo "apt-get $*" >> {calls}',
        "sudo": f'echo "sudo $*" >> {calls}\n[ "$1" = "-n" ] || "$@"',
        "id": "echo ${AS_USER:-0}",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{text}\n")
        (tmp_path / name).chmod(0o755)
    return {"PATH": str(tmp_path), "HOME": str(tmp_path)}


def run_script(machine: dict[str, str], *words: str, user: str = "0") -> subprocess.CompletedProcess[str]:
    environment = {**machine, "AS_USER": user}
    command = ["bash", str(SCRIPT), *words]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


def calls(machine: dict[str, str]) -> str:
    path = Path(machine["PATH"]) / "calls"
    return path.read_text() if path.exists() else ""


def test_a_check_lists_and_installs_nothing(machine: dict[str, str]) -> None:
    done = run_script(machine, "--check")
    assert done.returncode == 1
    assert re.search(r"missing: php-cli .* – TestWiki.*\nmissing: chromium – ", done.stdout)
    assert calls(machine) == ""


def test_php_that_prints_much_is_not_missing(machine: dict[str, str]) -> None:
    # The output after the module is larger than a pipe, so a reader that stops early ends php by SIGPIPE.
    php = Path(machine["PATH"]) / "php"
    php.write_text(
        "#!/bin/bash\nprintf '%s\\n' mbstring intl xml pdo_sqlite curl\n"
        "for ((i = 0; i < 20000; i++)); do echo 'another module'; done\n"
    )
    php.chmod(0o755)
    assert "missing: php-cli" not in run_script(machine, "--check").stdout


@pytest.mark.parametrize("user", ["0", "1000"])
def test_without_a_terminal_it_installs(machine: dict[str, str], user: str) -> None:
    done = subprocess.run(
        ["bash", str(SCRIPT)],
        env={**machine, "AS_USER": user},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout.index("missing: chromium – ") < done.stdout.index("installing: php-cli")
    assert "apt-get install -y -qq --no-install-recommends php-cli" in calls(machine)


@pytest.mark.parametrize(("answer", "installs"), [("y", True), ("n", False), ("", False)])
def test_at_a_terminal_it_asks_once(machine: dict[str, str], answer: str, installs: bool) -> None:
    output = at_a_terminal({**machine, "AS_USER": "1000"}, answer)
    assert output.count("[y/N]") == 1
    assert output.index("missing: chromium") < output.index("[y/N]")
    assert ("apt-get install" in calls(machine)) == installs
    assert ("not installed: php-cli" in output) != installs


def at_a_terminal(environment: dict[str, str], answer: str) -> str:
    """Return the output of the script at a terminal where *answer* is typed."""
    master, terminal = pty.openpty()
    with subprocess.Popen(
        ["bash", str(SCRIPT)], env=environment, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True
    ) as process:
        os.close(terminal)
        os.write(master, f"{answer}\n".encode())
        output = b""
        while True:
            try:
                part = os.read(master, 1024)
            except OSError:
                break
            if not part:
                break
            output += part
        process.wait(20)
    os.close(master)
    return output.decode().replace("\r\n", "\n")
