"""Workers on other machines: another network, no access to the run's folder, and a worker that joins late."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from personas.plan.plan import Plan
from personas.plan.settings import PlanSettings
from run_record.ledger.files import read_ledger
from run_record.ledger.rows import OUTCOMES
from run_record.load_report.report import LoadReport
from run_record.manifest import Manifest
from run_record.run_folder import find_run
from tests.jitter import skip_when_workers_went_missing

ROOT = Path(__file__).resolve().parents[3]

#: Two machines in network namespaces, connected by a cable. The second one sees an empty runs folder.
_SCRIPT = """
set -e
ip link set lo up
mount -t tmpfs none /run
ip netns add away
ip link add here type veth peer name there netns away
ip addr add 10.99.0.1/24 dev here
ip link set here up
ip -n away addr add 10.99.0.2/24 dev there
ip -n away link set there up
ip -n away link set lo up
trap 'kill $(jobs -p) 2>/dev/null' EXIT
$PYTHON -m bench.accept_all_server --host 10.99.0.1 --port 9000 &
until (exec 3<>/dev/tcp/10.99.0.1/9000) 2>/dev/null; do sleep 0.1; done
$LOCUST --headless --only-summary --master $BIND --expect-workers 1 --target $TARGET --runs $RUNS $OPTIONS &
MASTER=$!
ip netns exec away sh -c "mount -t tmpfs none $RUNS && exec $LOCUST --worker --master-host 10.99.0.1" &
$LATER
wait $MASTER
"""

_TARGET = """
description = "a stub at the other end of a cable"
intake = "http://10.99.0.1:9000/v1/events"
mpic = "http://10.99.0.1:9001"
hosts = ["10.99.0.1"]
networks = ["10.99.0.0/24"]
"""


def play(folder: Path, options: str, command_after_start: str = "") -> tuple[int, str]:
    """Run Locust with its worker on the other machine; return the exit code and all output."""
    runs, target = folder / "runs", folder / "cable.toml"
    runs.mkdir(parents=True)
    target.write_text(_TARGET)
    locust = f"{sys.executable} -m locust -f locustfiles/ctr.py"
    environment = {
        **os.environ, "PYTHON": sys.executable, "LOCUST": locust, "TARGET": str(target), "RUNS": str(runs),
        "OPTIONS": options, "LATER": command_after_start, "DOGFOOD_SECRET": "the same on both machines",
        "BIND": "--master-bind-host 10.99.0.1", "AT": "--master-host 10.99.0.1",
    }  # fmt: skip
    script = _SCRIPT.replace("$LATER", command_after_start)
    command = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "bash", "-c", script]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(autouse=True, scope="module")
def _namespaces() -> None:
    """Skip if namespaces cannot be created; in CI, fail."""
    summary = "ip link add dogfood-a type veth peer name dogfood-b && mount -t tmpfs none /run && ip netns add dogfood"
    command = ["unshare", "--mount", "--net", "sh", "-c", summary]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode and "CI" not in os.environ:
        pytest.skip(f"network namespaces cannot be created (needs root): {process.stderr.strip()}")
    assert process.returncode == 0, process.stderr


#: Starts another worker after the first one has sent events.
_JOIN = """
(
until [ -s "$(echo $RUNS/2*/ledger/*.ndjson)" ]; do sleep 0.1; kill -0 $MASTER || exit; done
exec $LOCUST --worker $AT
) &
"""


@pytest.mark.timeout(1200)
def test_remote_workers_send_rows_and_share_leases(tmp_path: Path) -> None:
    # Starting a worker takes long on a busy machine: then the run is repeated with a longer duration.
    for seconds in (8, 40, 200):
        if shared_run(tmp_path / str(seconds), seconds) > 500:
            return
    pytest.fail("the worker that joined sent nothing within three minutes")


def shared_run(folder: Path, seconds: int) -> int:
    """Check a run that a second worker joins; return the lowest number of events sent by one worker."""
    code, output = play(folder, f"--event-rate 800/s --run-time {seconds}s", _JOIN)
    skip_when_workers_went_missing(output)
    run = find_run(folder / "runs", "latest")
    load, ledger = LoadReport.read(run), read_ledger(run / "ledger")
    plan = Plan(PlanSettings.from_json(Manifest.read(run).plan))
    planned = [(event.visit, event.position) for event in plan.events(0, plan.settings.visitors)]
    assert list(zip(ledger.visit.tolist(), ledger.position.tolist(), strict=True)) == planned
    assert {OUTCOMES[code].value for code in ledger.outcome} == {"ok"}
    assert ledger.broken == ()
    assert (load.offered, load.sent, load.accepted) == (800 * seconds,) * 3
    assert sorted(worker.name for worker in load.workers) == sorted(ledger.workers)
    # On a busy machine the run may be late, and nothing else.
    assert load.invalid == () or code == 4, output
    return min(worker.sent for worker in load.workers) if len(load.workers) == 2 else 0
