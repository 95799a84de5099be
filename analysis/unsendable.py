"""The verdict on a run whose configs let nothing be sent: made before any traffic, from the manifest alone."""

from collections.abc import Mapping
from pathlib import Path

from analysis.checks.configs import judge_configs, own_faults
from analysis.verdict import CheckResult
from run_record.manifest import Manifest
from run_record.platform_state import PlatformState
from run_record.run_folder import LEDGER


def unplayable(run: Path) -> tuple[Manifest, CheckResult] | None:
    """Return the run's manifest and its check of the configs when those kept it from sending anything; else None.

    Raises:
        DogfoodError: the manifest, or what the platform answered, cannot be read.
    """
    manifest, platform = Manifest.read(run), PlatformState.read(run)
    if any((run / LEDGER).glob("*.ndjson")) or not own_faults(manifest, platform):
        return None
    return manifest, judge_configs(manifest, platform)


def facts(manifest: Manifest) -> Mapping[str, object]:
    """Return what a report says of such a run: as much of the manifest as can be read without its configs."""
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
