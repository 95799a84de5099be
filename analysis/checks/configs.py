"""Check the configs: by the contract, can the wiki and its client make valid events with them?"""

from collections.abc import Sequence

from analysis.run_model.load import Evidence
from analysis.verdict import CheckResult, CheckStatus, Layer
from common.sentences import count_of
from contracts.client_behaviour import (
    ConfigFault,
    experiment_faults,
    faults_of_others,
    instrument_faults,
    stream_faults,
)
from run_record.manifest import Manifest
from run_record.platform_state import PlatformState

#: Faults that the sentence names; the evidence has all.
_NAMED = 3


def check_configs(evidence: Evidence) -> CheckResult:
    """Check the configs of the run's experiment and instrument, and configs of others that break every page."""
    return judge_configs(evidence.manifest, evidence.platform)


def judge_configs(manifest: Manifest, platform: PlatformState) -> CheckResult:
    """Return the result of the configs of a run, which are known before anything is sent."""
    faults = [*own_faults(manifest, platform), *faults_of_others(manifest.generation, manifest.other_experiments)]
    detail = {
        "faults": [{**fault._asdict(), "effect": str(fault.effect)} for fault in faults],
        "configs_of_others": list(platform.notes),
    }
    if not faults:
        note = (
            f" {count_of(len(platform.notes), 'config')} of others cannot be read: {platform.notes[0]}"
            if platform.notes
            else ""
        )
        summary = f"The configs have no fault: by the contract the client makes valid events with them.{note}"
        return CheckResult("configs", Layer.CONFIG, CheckStatus.PASS, summary, 0, threshold=0, evidence=detail)
    causes = "; ".join(fault.sentence for fault in faults[:_NAMED])
    more = f"; {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
    summary = f"{causes}{more}: correct it in MPIC, or in the wiki's stream configs."
    return CheckResult("configs", Layer.CONFIG, CheckStatus.FAIL, summary, len(faults), threshold=0, evidence=detail)


def own_faults(manifest: Manifest, platform: PlatformState) -> Sequence[ConfigFault]:
    """Return the faults that keep the run's own experiment and instrument from having valid events."""
    wiki, plan = manifest.wiki, manifest.plan
    faults = [
        *experiment_faults(manifest.generation, plan.get("experiment")),
        *instrument_faults(plan.get("instrument"), wiki),
        *stream_faults(manifest.stream, platform.stream),
    ]
    # The wiki exports the config that it has from MPIC, so one fault may be listed twice.
    unique = {(fault.effect, fault.why): fault for fault in reversed(faults)}
    return tuple(fault for fault in faults if unique[fault.effect, fault.why] is fault)
