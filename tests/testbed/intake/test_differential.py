"""The comparison of two intakes: equal ones pass, and differences are reported."""

import subprocess
import sys
from itertools import islice
from pathlib import Path

from bench.random_bodies import bodies
from tests.servers import serving


def compared(first: str, second: str) -> subprocess.CompletedProcess[str]:
    urls = (f"{first}/v1/events", f"{second}/v1/events")
    command = [sys.executable, "-m", "bench.intake_differential", *urls, "--bodies", "60"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_bodies_of_a_seed_are_always_the_same() -> None:
    assert list(islice(bodies(3), 50)) == list(islice(bodies(3), 50))


def test_responses_are_compared_per_event(tmp_path: Path) -> None:
    with (
        serving("testbed.intake", "--stream-dir", str(tmp_path / "a"), log=tmp_path / "log") as one,
        serving(
            "testbed.intake", "--stream-dir", str(tmp_path / "b"), "--max-body", "99", log=tmp_path / "log"
        ) as other,
    ):
        same, different = compared(one.url, one.url), compared(one.url, other.url)
    assert (same.returncode, same.stderr) == (0, "")
    assert "have the same verdict (100.00%" in same.stdout
    assert different.returncode == 1
    assert "PayloadTooLargeError" in different.stdout


def test_only_this_machine_is_compared() -> None:
    answer = compared("http://192.0.2.1", "http://127.0.0.1")
    assert (answer.returncode, "is not on this machine" in answer.stderr) == (2, True)
