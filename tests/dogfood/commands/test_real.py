"""`dogfood real`: one table of what works with the real parts."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from analysis.analyse import Analysis, analyse
from analysis.calibration import Calibration
from analysis.verdict import Verdict
from common.errors import DogfoodError
from common.ports import free_port
from contracts.generation import Generation
from dogfood.doctor.diagnosis import fine, missing, unknown
from dogfood.real.result_table import Row, decide, of_analysis, of_calibration, of_diagnoses, of_findings
from dogfood.real.run_all import with_intake
from personas.example_experiment import example_experiment
from run_record.scenario_findings import ScenarioFinding
from testbed.wiki.installation import REAL_EXTENSIONS
from tests.analysis.runs import make_run
from tests.dogfood.conftest import call_in
from tests.plans import plan
from tests.servers import serving
from tests.wikis import need
from traffic.locust_run.options import TrafficOptions

OWN = Path(__file__).resolve().parents[3] / "testbed" / "wiki" / "extension"


def judged(folder: Path, *, lost: int = 0) -> Analysis:
    run = make_run(folder, Generation.ALPHA, visitors=1500)
    run.land(run.events[lost:])
    return analyse(folder)


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([Verdict.GO, Verdict.GO], Verdict.GO),
        ([Verdict.GO, Verdict.INCONCLUSIVE], Verdict.INCONCLUSIVE),
        ([Verdict.INCONCLUSIVE, Verdict.INVALID], Verdict.INVALID),
        ([Verdict.INVALID, Verdict.NO_GO], Verdict.NO_GO),
        ([], Verdict.INCONCLUSIVE),
    ],
)
def test_a_row_that_did_not_hold_decides(verdicts: list[Verdict], expected: Verdict) -> None:
    assert decide([Row("run", "", verdict, "") for verdict in verdicts]) is expected


def test_a_healthy_run_is_one_row(tmp_path: Path) -> None:
    [row] = of_analysis("synthetic", judged(tmp_path), "r1")
    assert (row.part, row.subject, row.verdict, row.run) == ("synthetic", "", Verdict.GO, "r1")


def test_each_failed_check_is_a_row(tmp_path: Path) -> None:
    rows = list(of_analysis("synthetic", judged(tmp_path, lost=40), "r1"))
    assert rows[0].verdict is Verdict.NO_GO
    assert "lost" in {row.subject for row in rows[1:]}
    assert all("(layer " in row.summary for row in rows)


def test_each_step_that_failed_is_a_row() -> None:
    findings = [
        ScenarioFinding("ctr", "an impression is sent", True, "instrument", "1"),
        ScenarioFinding("ctr", "a click is sent", True, "instrument", "1"),
        ScenarioFinding("override", "the cookie enrols", False, "assignment", "the page was told None"),
        ScenarioFinding("api", "the scenario is played", False, "generator", "Timeout 20000ms exceeded"),
    ]
    assert [(row.subject, row.verdict) for row in of_findings(findings, "r1")] == [
        ("ctr", Verdict.GO), ("override", Verdict.NO_GO), ("api", Verdict.INVALID),
    ]  # fmt: skip


def test_each_difference_is_a_row() -> None:
    result = Calibration(10, 20, ("impression: dt is missing (in 1 of 9)",))
    assert [row.verdict for row in of_calibration(result, "r1")] == [Verdict.NO_GO, Verdict.NO_GO]
    assert [row.verdict for row in of_calibration(replace(result, differences=()), "r1")] == [Verdict.GO]


def test_what_the_doctor_misses_is_a_row() -> None:
    rows = list(of_diagnoses([fine("mpic", "a", "x"), unknown("wiki", "b", "y"), missing("intake", "c", "z", "mend")]))
    assert [(row.subject, row.verdict) for row in rows] == [("", Verdict.NO_GO), ("intake c", Verdict.NO_GO)]


def test_intake_needs_path_and_allowed_host() -> None:
    options = TrafficOptions()
    assert with_intake(options, "") is options
    assert with_intake(options, "http://127.0.0.1:8292").intake == "http://127.0.0.1:8292/v1/events"
    with pytest.raises(DogfoodError):
        with_intake(options, "http://intake.example")


@pytest.mark.parametrize("arguments", [("--intake", "http://127.0.0.1:1"), ("--observed", "events.ndjson")])
def test_intake_and_observed_belong_together(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = call_in(tmp_path, "real", *arguments)
    assert done.returncode == 2
    assert "need each other" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_one_table_for_other_extensions_and_another_intake(tmp_path: Path) -> None:
    """The testbed's own extension laid out as the real ones are, and an intake that runs already."""
    need("php", "apt-get", "dpkg-deb")
    extensions = tmp_path / "extensions"
    for name in REAL_EXTENSIONS:
        (extensions / name).mkdir(parents=True)
        (extensions / name / "extension.json").write_text(json.dumps({"name": name, "manifest_version": 2}))
    shutil.copytree(OWN, extensions / "MetricsPlatform", dirs_exist_ok=True)
    manifest = (OWN / "extension.json").read_text().replace('"name": "ExperimentPlatform"', '"name": "MetricsPlatform"')
    (extensions / "MetricsPlatform" / "extension.json").write_text(manifest)
    ports = [word for name in ("mpic", "intake", "wiki") for word in (f"--{name}-port", str(free_port()))]
    where = ("--testbed", str(tmp_path / "testbed"), "--runs", str(tmp_path / "runs"), *ports)
    few = ("--visitors", "2000", "--arrival-rate", "500", "--sessions", "12", "--browsers", "3", "--scenario", "ctr")
    with serving("testbed.intake", "--stream-dir", str(tmp_path / "stream"), log=tmp_path / "log") as intake:
        # Another experiment's event, so that the file is there and its name is known.
        stranger = example_experiment(Generation.XLAB, name="another")
        event = next(iter(plan(Generation.XLAB, experiment=stranger).events(0, 50)))
        answer = httpx.post(f"{intake.url}/v1/events", content=event.body, trust_env=False)
        assert answer.status_code == 201, answer.text
        [written] = (tmp_path / "stream").rglob("*.ndjson")
        real = ("--extensions", str(extensions), "--intake", intake.url, "--observed", str(written))
        try:
            done = call_in(tmp_path, "real", *where, *real, *few, "--generation", "xlab", "--json", timeout=1500)
        finally:
            call_in(tmp_path, "down", "--testbed", str(tmp_path / "testbed"))
    table = json.loads(done.stdout)
    rows = {(row["part"], row["subject"]): row["verdict"] for row in table["rows"]}
    assert rows["doctor", ""] == rows["synthetic", ""] == rows["scenario", "ctr"] == rows["calibrate", ""] == "GO"
    assert rows["wiki", ""] == "INCONCLUSIVE"  # Twelve accounts are too few for a sample ratio.
    assert (done.returncode, table["verdict"]) == (3, "INCONCLUSIVE")
    assert json.loads((tmp_path / "runs" / "real.json").read_text()) == table
