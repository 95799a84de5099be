"""Runs against a testbed in which something was made to go wrong, judged without being told what."""

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
from dogfood.run import run as run_once
from dogfood.run_request import BrowserOptions, RunRequest
from dogfood.testbed_control.services import Testbed
from personas.example_experiment import EXPERIMENT, example_experiment, example_instrument
from run_record.roster import Fidelity
from traffic.locust_run.options import TrafficOptions

#: The wiki that the testbed is.
_WIKI = "testwiki"

#: Pauses of readers are this much shorter, and so many arrive a second: a run is over in seconds.
_FASTER, _ARRIVALS = 20_000.0, 400.0

_CALLED = (CheckStatus.FAIL, CheckStatus.INVALID)


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one run with faults.

    Attributes:
        id: of the fault; of several, joined by `+`.
        layer_expected: of the fault; of several, joined by `+`.
        layer_named: by the verdict; empty when it named none.
        found: whether the verdict called it, and every layer expected is among those of the checks that fired, the
            verdict's being the first of them.
        checks: that fired.
        subjects: who came.
        seconds: that the run took, the testbed's changing over not counted.
        sentence: that the user reads.
    """

    id: str
    layer_expected: str
    layer_named: str
    found: bool
    checks: tuple[str, ...]
    subjects: int
    seconds: float
    sentence: str

    def to_json(self) -> Mapping[str, object]:
        """Return the row for `--json`."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def faulty_run(testbed: Testbed, runs: Path, faults: Sequence[Mapping[str, str]], recipe: Recipe) -> Row:
    """Make a run with *faults* (rows of the catalogue) switched on, and say whether it was called and rightly blamed.

    Raises:
        DogfoodError: the testbed does not come up, or the traffic cannot be made.
    """
    apply_switches(testbed, [fault["id"] for fault in faults])
    begun = time.monotonic()
    analysis = _run(testbed, runs, recipe)
    return row_of(faults, analysis, time.monotonic() - begun)


def clean_run(testbed: Testbed, runs: Path, recipe: Recipe, seed: int) -> tuple[Analysis, float]:
    """Make a run in which nothing is wrong; return its analysis and the seconds it took. Raises DogfoodError."""
    apply_switches(testbed, ())
    begun = time.monotonic()
    return _run(testbed, runs, recipe, seed), time.monotonic() - begun


def row_of(faults: Sequence[Mapping[str, str]], analysis: Analysis, seconds: float) -> Row:
    """Return what *analysis* says of a run with *faults*."""
    layers = [fault["layer"] for fault in faults]
    fired = fired_checks(analysis)
    named = str(analysis.layer or "") if analysis.verdict in (Verdict.NO_GO, Verdict.INVALID) else ""
    seen = {str(check.layer) for check in fired}
    return Row(
        id="+".join(fault["id"] for fault in faults),
        layer_expected="+".join(layers),
        layer_named=named,
        found=named in layers and set(layers) <= seen,
        checks=tuple(check.name for check in fired),
        subjects=subjects_of(analysis),
        seconds=round(seconds, 1),
        sentence=analysis.sentence,
    )


def fired_checks(analysis: Analysis) -> list[CheckResult]:
    """Return the checks that did not pass and decide something."""
    return [check for check in analysis.checks if check.status in _CALLED]


def subjects_of(analysis: Analysis) -> int:
    """Return how many subjects came, in the sample or not."""
    on_wiki = [check.evidence["accounts"] for check in analysis.checks if "accounts" in check.evidence]
    return sum(int(str(count)) for count in (analysis.run["visitors"], *on_wiki))


def put_experiment(testbed: Testbed, recipe: Recipe) -> None:
    """Put the kit's experiment into MPIC, with a sample rate of the wiki's own. Raises DogfoodError."""
    address = testbed.url("mpic")
    if address is None:
        raise KitFaultError("MPIC has come up and does not answer")
    experiment = {**example_experiment(recipe.generation), "sample_rate": sample_rates(_WIKI)}
    with MpicClient(address) as mpic:
        mpic.put("instruments", EXPERIMENT, dict(example_instrument()))
        mpic.put("experiments", EXPERIMENT, experiment)


def _run(testbed: Testbed, runs: Path, recipe: Recipe, seed: int = 1) -> Analysis:
    put_experiment(testbed, recipe)
    traffic = TrafficOptions(
        experiment=EXPERIMENT, generation=recipe.generation, wiki=_WIKI, seed=seed, visitors=recipe.visitors,
        arrival_rate=_ARRIVALS, time_scale=_FASTER, hasty=recipe.hasty,
    )  # fmt: skip
    request = RunRequest(
        runs, testbed, traffic, (recipe.fidelity,), sessions=recipe.sessions,
        browser=BrowserOptions(recipe.scenarios, recipe.users),
    )  # fmt: skip
    where, analysis = run_once(request, new_console(file=io.StringIO()))
    if analysis is None:
        raise DogfoodError(f"{where} has no rows to judge")
    return analysis


def needs_wiki(recipe: Recipe) -> bool:
    """Return whether the traffic of *recipe* goes to the wiki."""
    return recipe.fidelity is not Fidelity.SYNTHETIC
