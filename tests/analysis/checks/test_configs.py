"""A run on a platform with a config that lets no valid event be sent: a verdict, from the manifest alone."""

from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from analysis.analyse import Analysis, analyse, write
from analysis.reports.html import render
from analysis.reports.junit import junit
from analysis.verdict import CheckStatus, Layer, Verdict
from contracts.generation import Generation
from personas.example_experiment import STREAM, example_experiment, example_instrument
from run_record.manifest import Manifest
from run_record.platform_state import PlatformState
from tests.analysis.runs import check, make_run
from tests.plans import settings


def unsent(
    run: Path,
    *,
    experiment: dict[str, object] | None = None,
    instrument: dict[str, object] | None = None,
    platform: PlatformState | None = None,
) -> Analysis:
    """Judge a run that has a manifest with these changes, and nothing else."""
    alpha = Generation.ALPHA
    plan = settings(
        experiment={**example_experiment(alpha), **(experiment or {})},
        instrument={**example_instrument(), **(instrument or {})},
    )
    (run / "ledger").mkdir()
    Manifest(
        run_id="unsent",
        created="2025-01-31T14:30:00+00:00",
        fidelity="synthetic",
        generation=alpha,
        wiki="testwiki",
        stream=STREAM,
        visitors=0,
        hasty=False,
        batch_size=1,
        plan=plan.to_json(),
        target={
            "name": "local",
            "source": "local",
            "intake": "http://127.0.0.1:1/v1/events",
            "mpic": "http://127.0.0.1:2",
        },
    ).write(run)
    (platform or PlatformState()).write(run)
    return analyse(run)


@pytest.mark.parametrize(
    ("experiment", "instrument", "words"),
    [
        ({"sample_rate": {"default": 1.5}}, {}, ("experiment.sample_rate.default", "answer 500")),
        ({"features": {}}, {}, ("experiment.features", "nobody is enrolled")),
        ({}, {"sample_unit": "user"}, ("instrument.sample_unit", "'user'", "the client sends nothing")),
        ({}, {"sample_rate": {"default": "0.5"}}, ("instrument.sample_rate", "'0.5'", "refuses every event")),
        ({}, {"status": 0}, ("instrument.status", "switched off")),
    ],
)
def test_an_unusable_config_is_a_verdict(
    tmp_path: Path, experiment: dict[str, object], instrument: dict[str, object], words: tuple[str, ...]
) -> None:
    result = unsent(tmp_path, experiment=experiment, instrument=instrument)
    assert (result.verdict, result.layer, result.verdict.exit_code) == (Verdict.NO_GO, Layer.CONFIG, 1)
    assert all(word in result.sentence for word in words)
    write(tmp_path, result, render(result))
    assert orjson.loads((tmp_path / "verdict.json").read_bytes())["layer"] == "config"
    assert b"configs" in junit(result)


def test_the_wikis_own_export_decides_as_well(tmp_path: Path) -> None:
    exported = {"schema_title": "x", "sample": {"rate": "0.01", "unit": "session"}}
    result = unsent(tmp_path, platform=PlatformState(stream=exported))
    assert (result.verdict, result.layer) == (Verdict.NO_GO, Layer.CONFIG)
    assert f"streams.{STREAM}.sample.rate is the text '0.01'" in result.sentence


def test_configs_of_others_are_noted_or_hit_all(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run.land()
    PlatformState(notes=("instruments[3].sample_rate.default: '0.5' is not a number",)).write(tmp_path)
    analysis = analyse(tmp_path)
    assert analysis.verdict is Verdict.GO
    assert "instruments[3]" in check(analysis, "configs").summary
    other = {**example_experiment(Generation.ALPHA), "slug": "other", "sample_rate": {"default": 1.5}}
    replace(Manifest.read(tmp_path), other_experiments=(other,)).write(tmp_path)
    analysis = analyse(tmp_path)
    assert (analysis.verdict, analysis.layer) == (Verdict.NO_GO, Layer.CONFIG)
    assert check(analysis, "configs").status is CheckStatus.FAIL
    assert "experiments[other].sample_rate.default" in analysis.sentence
