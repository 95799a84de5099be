"""A target's budget: its ceilings hold for all processes of this machine, also after a crash."""

import math
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from run_record.target import Ceilings, Target, TargetError
from run_record.target_budget import TargetBudget, state_folder

LOCAL = Target.read("local")

#: Sends events until the ceiling or a time limit; prints the time of each.
_SENDER = """
import sys, time
from pathlib import Path
from run_record.target_budget import TargetBudget
from run_record.target import Ceilings
folder, rate, events, seconds = Path(sys.argv[1]), *map(float, sys.argv[2:5])
ceilings = Ceilings(rate, events, 60)
with TargetBudget.of_intake("mine", "http://intake.example/", ceilings, sys.argv[5], folder=folder) as budget:
    limiter = budget.rate_limiter()
    print("ready", flush=True)
    sys.stdin.readline()
    end = time.monotonic() + seconds
    while time.monotonic() < end and (wait_s := limiter.wait(1)) < 60:
        if wait_s:
            time.sleep(wait_s)
        else:
            print(time.monotonic(), flush=True)
"""


def target(**ceilings: float) -> Target:
    return replace(LOCAL, name="mine", ceilings=Ceilings(**ceilings))


def start_sender(folder: Path, run: str, rate: float, events: float, seconds: float) -> subprocess.Popen[str]:
    """Start a process that sends events after a line on its standard input."""
    words = [sys.executable, "-c", _SENDER, str(folder), str(rate), str(events), str(seconds), run]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def times(*processes: subprocess.Popen[str]) -> list[float]:
    """Let *processes* send together; return the times of all their events."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    lines = [line for process in processes for line in process.communicate(timeout=240)[0].splitlines()]
    return sorted(map(float, lines))


def test_two_processes_share_the_rate(tmp_path: Path) -> None:
    result = times(*(start_sender(tmp_path, run, 50, math.inf, 2.5) for run in ("a", "b")))
    assert len(result) > 1
    for first, begin in enumerate(result):
        # One per cent more than the rate, and the event on credit of each process.
        assert sum(moment < begin + 1 for moment in result[first:]) <= 50 * 1.01 + 3


def test_two_processes_share_the_events(tmp_path: Path) -> None:
    assert len(times(*(start_sender(tmp_path, run, math.inf, 70, 60) for run in ("a", "b")))) == 70


def test_a_killed_process_releases_its_lease(tmp_path: Path) -> None:
    killed = start_sender(tmp_path, "a", math.inf, 70, 60)
    moments_before = 20
    assert killed.stdin is not None
    assert killed.stdout is not None
    killed.stdin.write("\n")
    killed.stdin.flush()
    for _ in range(moments_before):
        killed.stdout.readline()
    killed.kill()
    killed.wait(60)
    killed.stdin.close()
    killed.stdout.close()
    # Its lease ended with it, so the budget is reset.
    assert len(times(start_sender(tmp_path, "b", math.inf, 70, 60))) == 70


def test_fidelities_of_a_run_share_the_events(tmp_path: Path) -> None:
    mine = target(events=70)
    with TargetBudget.open(mine, "run", folder=tmp_path):
        with TargetBudget.open(mine, "run", folder=tmp_path) as synthetic:
            limiter = synthetic.rate_limiter()
            assert [limiter.wait(1) for _ in range(62)] == [0.0] * 62
        with TargetBudget.open(mine, "run", folder=tmp_path) as wiki:
            limiter = wiki.rate_limiter()
            assert [limiter.wait(1) for _ in range(9)] == [0.0] * 8 + [math.inf]
            assert wiki.spent() == 70
    with TargetBudget.open(mine, "next", folder=tmp_path) as after:
        assert after.spent() == 0


def test_seconds_count_from_the_first_event(tmp_path: Path) -> None:
    with TargetBudget.open(target(seconds=1e-9), "run", folder=tmp_path) as budget:
        limiter = budget.rate_limiter()
        assert limiter.wait(1) == 0
        assert limiter.wait(1) == math.inf


def test_a_rate_above_the_remaining_ceiling_is_refused(tmp_path: Path) -> None:
    mine = target(rate=20)
    with TargetBudget.open(mine, "runs/first", rate=12, folder=tmp_path):
        # Another process of the same run is not counted twice.
        TargetBudget.open(mine, "runs/first", rate=12, folder=tmp_path).close()
        TargetBudget.open(mine, "runs/small", rate=8, folder=tmp_path).close()
        with pytest.raises(
            TargetError, match=r"allows a rate of 20 events/s: runs/first \(process \d+\) .*nothing was"
        ):
            TargetBudget.open(mine, "runs/second", rate=9, folder=tmp_path)
    TargetBudget.open(mine, "runs/second", rate=9, folder=tmp_path).close()


def test_targets_do_not_share(tmp_path: Path) -> None:
    other = replace(target(events=1), intake="http://127.0.0.1:1/v1/events")
    with (
        TargetBudget.open(target(events=1), "a", folder=tmp_path) as first,
        TargetBudget.open(other, "b", folder=tmp_path) as second,
    ):
        assert (first.rate_limiter().wait(1), second.rate_limiter().wait(1)) == (0, 0)


def test_threads_of_a_process_share(tmp_path: Path) -> None:
    with TargetBudget.open(target(events=1000), "a", folder=tmp_path) as budget:
        limiter = budget.rate_limiter()
        taken: list[float] = []
        threads = [threading.Thread(target=lambda: taken.extend(limiter.wait(1) for _ in range(400))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert taken.count(0.0) == 1000


def test_without_ceilings_no_file_is_written(tmp_path: Path) -> None:
    with TargetBudget.open(target(), "a", folder=tmp_path / "state") as budget:
        assert budget.rate_limiter().is_unlimited
    assert not (tmp_path / "state").exists()


def test_an_unusable_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Exception, match=r"budget of target 'mine' cannot be stored .* DOGFOOD_STATE"):
        TargetBudget.open(target(events=1), "a", folder=tmp_path / "file")


def test_the_state_folder_is_the_users(tmp_path: Path) -> None:
    assert state_folder({"DOGFOOD_STATE": "/a"}) == Path("/a")
    assert state_folder({"XDG_STATE_HOME": "/b"}) == Path("/b/experiment-dogfood")
    assert state_folder({}).parts[-3:] == (".local", "state", "experiment-dogfood")


def test_others_cannot_read_the_budget(tmp_path: Path) -> None:
    with TargetBudget.open(target(events=1), "a", folder=tmp_path):
        (position,) = (tmp_path / "targets").iterdir()
        assert position.stat().st_mode & 0o077 == 0
        assert all(path.stat().st_mode & 0o077 == 0 for path in position.iterdir())
