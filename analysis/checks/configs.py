"""Can the wiki and its client make valid events with the configs that they are given? Predicted, by the contract."""

from collections.abc import Sequence

from analysis.run_model.load import Evidence
from analysis.verdict import CheckResult, CheckStatus, Layer
from contracts.client_behaviour import (
    ConfigFault,
    experiment_faults,
    faults_of_others,
    instrument_faults,
    stream_faults,
)
from run_record.manifest import Manifest
from run_record.platform_state import PlatformState

#: As many faults are named in the sentence; the evidence has all of them.
_NAMED = 3


def check_configs(evidence: Evidence) -> CheckResult:
    """Tell what the contract says of the run's experiment, its instrument, and what else hits every page."""
    return judge_configs(evidence.manifest, evidence.platform)


def judge_configs(manifest: Manifest, platform: PlatformState) -> CheckResult:
    """Judge the configs of a run, which are known before anything is sent."""
    faults = [*own_faults(manifest, platform), *faults_of_others(manifest.generation, manifest.other_experiments)]
    detail = {
        "faults": [{**fault._asdict(), "effect": str(fault.effect)} for fault in faults],
        "configs_of_others": list(platform.notes),
    }
    if not faults:
        noted = (
            f" {len(platform.notes)} configs of others cannot be read: {platform.notes[0]}" if platform.notes else ""
        )
        summary = f"By the contract the client makes valid events with these configs.{noted}"
        return CheckResult("configs", Layer.CONFIG, CheckStatus.PASS, summary, 0, threshold=0, evidence=detail)
    told = "; ".join(fault.sentence for fault in faults[:_NAMED])
    more = f"; {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
    summary = f"{told}{more}: mend it in MPIC, or in the wiki's stream configs."
    return CheckResult("configs", Layer.CONFIG, CheckStatus.FAIL, summary, len(faults), threshold=0, evidence=detail)


def own_faults(manifest: Manifest, platform: PlatformState) -> Sequence[ConfigFault]:
    """Return what keeps the run's own experiment and instrument from having valid events."""
    wiki, plan = manifest.wiki, manifest.plan
    faults = [
        *experiment_faults(manifest.generation, plan.get("experiment")),
        *instrument_faults(plan.get("instrument"), wiki),
        *stream_faults(manifest.stream, platform.stream),
    ]
    # The wiki exports what it has from MPIC: the same fault need not be told twice.
    unique = {(fault.effect, fault.why): fault for fault in reversed(faults)}
    return tuple(fault for fault in faults if unique[fault.effect, fault.why] is fault)
