"""Runs that could not send an event because of their configs: detected before any traffic, from the manifest."""

from collections.abc import Mapping
from pathlib import Path

from analysis.checks.configs import judge_configs, own_faults
from analysis.verdict import CheckResult
from run_record.manifest import Manifest
from run_record.platform_state import PlatformState
from run_record.run_folder import LEDGER


def find_unsendable(run: Path) -> tuple[Manifest, CheckResult] | None:
    """Return manifest and result of the configs of a run that they kept from sending any event; else None.

    Raises:
        DogfoodError: the manifest, or the file with the platform's responses, cannot be read.
    """
    manifest, platform = Manifest.read(run), PlatformState.read(run)
    if any((run / LEDGER).glob("*.ndjson")) or not own_faults(manifest, platform):
        return None
    return manifest, judge_configs(manifest, platform)


def run_facts(manifest: Manifest) -> Mapping[str, object]:
    """Return the facts for the report of such a run: the part of the manifest that does not depend on its configs."""
    plan = manifest.plan
    experiment = plan.get("experiment")
    name = experiment.get("slug") or experiment.get("name") if isinstance(experiment, Mapping) else None
    names = ("seed", "epoch_ms", "arrivals_per_second", "time_scale", "aa")
    return {
        "id": manifest.run_id,
        "created": manifest.created,
        "fidelity": manifest.fidelity,
        "generation": manifest.generation,
        "experiment": str(name or "(without a name)"),
        "sample_rate": None,
        "wiki": manifest.wiki,
        "stream": manifest.stream,
        "target": manifest.target,
        "visitors": 0,
        **{name: plan.get(name) for name in names},
        "hasty": manifest.hasty,
        "batch_size": manifest.batch_size,
        "started_ms": manifest.started_ms,
        "finished_ms": manifest.finished_ms,
        "observed_rows": 0,
        "versions": manifest.versions,
    }
