"""Runs against a testbed with a fault; neither the run nor the analysis knows which."""

import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.analyse import Analysis
from analysis.verdict import CheckResult, CheckStatus, Verdict
from common.errors import DogfoodError, KitFaultError
from contracts.mpic_client import MpicClient
from dogfood.console import new_console
from dogfood.faults.recipes import Recipe, sample_rates
from dogfood.faults.switches import apply_switches
from dogfood.run.lifecycle import run as run_once
from dogfood.run.request import BrowserOptions, RunRequest
from dogfood.testbed_control.services import Testbed
from personas.example_experiment import EXPERIMENT, example_experiment, example_instrument
from run_record.roster import Fidelity
from traffic.locust_run.options import TrafficOptions

#: Database name of the testbed's wiki.
_WIKI = "testwiki"

#: Time scale of pauses, and arrivals per second: a run takes seconds.
_TIME_SCALE, _ARRIVAL_RATE = 20_000.0, 400.0

_FIRED = (CheckStatus.FAIL, CheckStatus.INVALID)


@dataclass(frozen=True, slots=True)
class Row:
    """Result of one run with faults.

    Attributes:
        id: id of the fault; of several faults, joined by `+`.
        layer_expected: layer of the fault; of several faults, joined by `+`.
        layer_named: layer that the verdict names; may be empty.
        detected: whether the verdict names an expected layer, and checks of every expected layer fired.
        checks: checks that fired.
        subjects: number of subjects.
        seconds: duration of the run, without switching the testbed over.
        sentence: the verdict's sentence.
    """

    id: str
    layer_expected: str
    layer_named: str
    detected: bool
    checks: tuple[str, ...]
    subjects: int
    seconds: float
    sentence: str

    def to_json(self) -> Mapping[str, object]:
        """Return the row for `--json`."""
        names = {name: "found" if name == "detected" else name for name in self.__dataclass_fields__}
        return {key: getattr(self, name) for name, key in names.items()}


def faulty_run(testbed: Testbed, runs: Path, faults: Sequence[Mapping[str, str]], recipe: Recipe) -> Row:
    """Make a run with *faults* (rows of the catalogue) switched on, and return whether their layer was named.

    Raises:
        DogfoodError: the testbed does not start, or the traffic cannot be sent.
    """
    apply_switches(testbed, [fault["id"] for fault in faults])
    start = time.monotonic()
    analysis = _run(testbed, runs, recipe)
    return row_of(faults, analysis, time.monotonic() - start)


def clean_run(testbed: Testbed, runs: Path, recipe: Recipe, seed: int) -> tuple[Analysis, float]:
    """Make a run without a fault; return its analysis and its duration in seconds. Raises DogfoodError."""
    apply_switches(testbed, ())
    start = time.monotonic()
    return _run(testbed, runs, recipe, seed), time.monotonic() - start


def row_of(faults: Sequence[Mapping[str, str]], analysis: Analysis, seconds: float) -> Row:
    """Return the result of *analysis*, of a run with *faults*."""
    layers = [fault["layer"] for fault in faults]
    fired = fired_checks(analysis)
    named = str(analysis.layer or "") if analysis.verdict in (Verdict.NO_GO, Verdict.INVALID) else ""
    fired_layers = {str(check.layer) for check in fired}
    return Row(
        id="+".join(fault["id"] for fault in faults),
        layer_expected="+".join(layers),
        layer_named=named,
        detected=named in layers and set(layers) <= fired_layers,
        checks=tuple(check.name for check in fired),
        subjects=subjects_of(analysis),
        seconds=round(seconds, 1),
        sentence=analysis.sentence,
    )


def fired_checks(analysis: Analysis) -> list[CheckResult]:
    """Return the checks that failed or were invalid."""
    return [check for check in analysis.checks if check.status in _FIRED]


def subjects_of(analysis: Analysis) -> int:
    """Return the number of subjects, in the sample or not."""
    on_wiki = [check.evidence["accounts"] for check in analysis.checks if "accounts" in check.evidence]
    return sum(int(str(count)) for count in (analysis.run["visitors"], *on_wiki))


def register_experiment(testbed: Testbed, recipe: Recipe) -> None:
    """Register the kit's experiment in MPIC, with a separate sample rate for the wiki. Raises DogfoodError."""
    address = testbed.url("mpic")
    if address is None:
        raise KitFaultError("MPIC started but does not answer")
    experiment = {**example_experiment(recipe.generation), "sample_rate": sample_rates(_WIKI)}
    with MpicClient(address) as mpic:
        mpic.put("instruments", EXPERIMENT, dict(example_instrument()))
        mpic.put("experiments", EXPERIMENT, experiment)


def _run(testbed: Testbed, runs: Path, recipe: Recipe, seed: int = 1) -> Analysis:
    register_experiment(testbed, recipe)
    traffic = TrafficOptions(
        experiment=EXPERIMENT, generation=recipe.generation, wiki=_WIKI, seed=seed, visitors=recipe.visitors,
        arrival_rate=_ARRIVAL_RATE, time_scale=_TIME_SCALE, hasty=recipe.hasty,
    )  # fmt: skip
    request = RunRequest(
        runs, testbed, traffic, (recipe.fidelity,), sessions=recipe.sessions,
        browser=BrowserOptions(recipe.scenarios, recipe.users),
    )  # fmt: skip
    folder, analysis = run_once(request, new_console(file=io.StringIO()))
    if analysis is None:
        raise DogfoodError(f"{folder} has no rows to judge")
    return analysis


def needs_wiki(recipe: Recipe) -> bool:
    """Return whether the traffic of *recipe* visits the wiki."""
    return recipe.fidelity is not Fidelity.SYNTHETIC
