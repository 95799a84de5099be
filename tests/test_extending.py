"""The examples of docs/design/extending.md, executed from the page."""

import inspect
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from analysis.checks import CHECKS, Check
from analysis.engines import duckdb_engine
from analysis.engines.sql_files import sql as load_sql
from analysis.run_model.load import load_evidence
from analysis.verdict import CheckResult, CheckStatus, Layer
from browser_scenarios.scenario import Scenario
from browser_scenarios.scenarios import SCENARIOS
from contracts.configs import parse_experiment
from contracts.generation import Generation
from personas.example_experiment import example_experiment
from personas.persona import FOLDER, load_personas
from personas.plan.plan import Plan
from testbed.mpic import api_faults
from tests.analysis.runs import make_run
from tests.plans import settings

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "design" / "extending.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"<!-- executed: (\S+) -->\n```\w+\n(.*?)```", PAGE, flags=re.DOTALL))


LIST = "analysis/checks/__init__.py"


def module(path: str) -> dict[str, Any]:
    """Return the names that the example at *path* defines."""
    created = ModuleType(path)
    exec(compile(BLOCKS[path], path, "exec"), created.__dict__)  # noqa: S102 (the documentation's own code)
    return created.__dict__


def test_page_has_an_example_of_each_kind() -> None:
    kinds = {path.split("/")[0] for path in BLOCKS}
    assert kinds == {
        "analysis",
        "browser_scenarios",
        "personas",
        "testbed",
    }


def test_persona_joins_the_population(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    (tmp_path / "night-owl.toml").write_text(BLOCKS["personas/catalogue/night-owl.toml"], encoding="utf-8")
    personas = load_personas(tmp_path)
    (position,) = [index for index, persona in enumerate(personas) if persona.name == "night-owl"]
    plan = Plan(settings(Generation.ALPHA, visitors=2_000), personas)
    subjects = plan.subjects(0, 2_000)
    weight = tomllib.loads(BLOCKS["personas/catalogue/night-owl.toml"])["weight"]
    share = weight / sum(persona.weight for persona in personas)
    assert 0.5 * share < (subjects.persona == position).mean() < 2 * share
    bodies = b"".join(event.body for event in plan.events(0, 2_000))
    assert b'"skin":"minerva"' in bodies


def test_line_adds_the_check() -> None:
    text = (FOLDER.parents[1] / LIST).read_text(encoding="utf-8")
    head, end, rest = text.rpartition(")  # fmt: skip")
    namespace: dict[str, Any] = {"__name__": "analysis.checks"}
    exec(compile(f"{head}{BLOCKS[LIST]}{end}{rest}", LIST, "exec"), namespace)  # noqa: S102 (the documentation's own code)
    assert (namespace["CHECKS"][-1].name, len(namespace["CHECKS"])) == ("shared-sessions", len(CHECKS) + 1)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_personas_tests_pass_with_the_new_persona(tmp_path: Path) -> None:
    root = FOLDER.parents[1]
    listed = subprocess.run(
        ["git", "ls-files", "*.py", "*.toml", "*.json", "*.sql"], cwd=root, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, tmp_path / name)
    (tmp_path / "personas/catalogue/night-owl.toml").write_text(
        BLOCKS["personas/catalogue/night-owl.toml"], encoding="utf-8"
    )
    completed = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/personas", "-q", "-p", "no:cacheprovider", "-n", "0"],
        cwd=tmp_path, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert completed.returncode == 0, completed.stdout[-3000:]


@pytest.fixture
def shared_sessions(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], CheckResult]:
    """Return a function that judges a run by the example's check."""

    def sql(query: str, **tables: str) -> str:
        if query == "shared_sessions":
            return str(BLOCKS["analysis/sql/queries/shared_sessions.sql"])
        return load_sql(query, **tables)

    monkeypatch.setattr(duckdb_engine, "sql", sql)
    sessions = ModuleType("analysis.checks.sessions")
    sessions.__dict__.update(module("analysis/checks/sessions.py"))
    monkeypatch.setitem(sys.modules, "analysis.checks.sessions", sessions)
    (check,) = eval(f"({BLOCKS[LIST]})", {"Check": Check, "Layer": Layer})  # noqa: S307 (the documentation's own code)
    return lambda run: check.judge(load_evidence(run))


def test_check_passes_clean_and_fails_shared_sessions(
    tmp_path: Path, shared_sessions: Callable[[Path], CheckResult]
) -> None:
    clean = make_run(tmp_path / "clean", visitors=200)
    clean.land()
    assert shared_sessions(clean.folder).status is CheckStatus.PASS
    broken = make_run(tmp_path / "broken", visitors=200)
    first, *others = broken.events
    stranger = next(event for event in others if event["performer"]["id"] != first["performer"]["id"])
    stranger["performer"]["session_id"] = first["performer"]["session_id"]
    broken.land()
    result = shared_sessions(broken.folder)
    assert (result.status, result.layer) == (CheckStatus.FAIL, Layer.EXPOSURE)
    assert "shared by up to 2 subjects" in result.summary


def test_scenario_is_complete() -> None:
    scenario = module("browser_scenarios/scenarios/two_tabs.py")["SCENARIO"]
    assert isinstance(scenario, Scenario)
    assert inspect.iscoroutinefunction(scenario.play)
    assert scenario.name not in SCENARIOS


_RUN_SCENARIO = """
import sys
from pathlib import Path
from types import ModuleType
from browser_scenarios.scenarios import SCENARIOS
module = ModuleType("two_tabs")
exec(sys.stdin.read(), module.__dict__)
SCENARIOS[module.SCENARIO.name] = module.SCENARIO
from dogfood.cli import main
sys.argv = ["dogfood", "browse", "--scenario", module.SCENARIO.name, "--users", "1"]
main()
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_scenario_runs(documented_home: Path) -> None:
    completed = subprocess.run(
        [sys.executable, "-c", _RUN_SCENARIO], input=BLOCKS["browser_scenarios/scenarios/two_tabs.py"], text=True,
        capture_output=True, check=False, cwd=documented_home, timeout=500,
    )  # fmt: skip
    assert "two-tabs: an impression of each" in completed.stdout, completed.stdout + completed.stderr
    assert "✗" not in completed.stdout
    assert completed.returncode == 0, completed.stdout


def test_fault_enrols_nobody() -> None:
    # The page tells the reader to add a line to this table.
    assert "rate zero" in api_faults._CHANGES
    fault = module("testbed/mpic/api_faults.py")["wiki_misspelt"]
    config = parse_experiment(Generation.ALPHA, fault(dict(example_experiment(Generation.ALPHA))))
    assert config.sample_rate.of("testwiki") == 0
