"""Was everything that the scenarios looked at as it should be? Each finding counts at its own layer."""

from collections.abc import Sequence

from analysis.run_model.load import Evidence
from analysis.verdict import CheckResult, CheckStatus, Layer
from run_record.scenario_findings import ScenarioFinding

#: As many kinds of findings a layer are named in the sentence; the evidence has all of them.
_NAMED = 4


def check_scenarios(evidence: Evidence) -> CheckResult:
    """Name the findings that are wrong, by layer and kind; the first layer that an event meets is the check's."""
    findings = evidence.findings
    wrong = [finding for finding in findings if not finding.ok]
    by_layer = _by_layer(wrong)
    detail = {
        "looked_at": len(findings),
        "wrong": [finding._asdict() for finding in wrong],
        "by_layer": {str(layer): len(members) for layer, members in by_layer.items()},
    }
    if not wrong:
        scenarios = len({finding.scenario for finding in findings})
        summary = f"{scenarios} scenarios looked at {len(findings)} things, and all were as they should be."
        summary = summary if findings else "No scenario looked at anything besides its events."
        return CheckResult("scenarios", Layer.INSTRUMENT, CheckStatus.PASS, summary, 0, threshold=0, evidence=detail)
    # What the kit could not do proves nothing, and what others found while it could stands.
    unplayed = by_layer.pop(Layer.GENERATOR, [])
    if not by_layer:
        summary = f"{len(unplayed)} steps of scenarios could not be played: {_kinds(unplayed)}."
        return CheckResult(
            "scenarios", Layer.GENERATOR, CheckStatus.INVALID, summary, len(unplayed), threshold=0, evidence=detail
        )
    told = [f"{layer} – {_kinds(members)}" for layer, members in by_layer.items()]
    more = f" Besides, {len(unplayed)} steps could not be played and prove nothing." if unplayed else ""
    summary = f"Scenarios found {len(wrong) - len(unplayed)} things wrong: {'. '.join(told)}.{more}"
    layer = next(iter(by_layer))
    return CheckResult("scenarios", layer, CheckStatus.FAIL, summary, len(wrong), threshold=0, evidence=detail)


def _by_layer(findings: Sequence[ScenarioFinding]) -> dict[Layer, list[ScenarioFinding]]:
    """Return the findings of each layer that has any, in the order in which an event meets the layers."""
    layers = {layer: [item for item in findings if Layer(item.layer) is layer] for layer in Layer}
    return {layer: members for layer, members in layers.items() if members}


def _kinds(findings: Sequence[ScenarioFinding]) -> str:
    """Return the findings of one layer by kind: each scenario once, by its first finding and how many more it has."""
    kinds: dict[str, list[ScenarioFinding]] = {}
    for finding in findings:
        kinds.setdefault(finding.scenario, []).append(finding)
    told = []
    for scenario, members in list(kinds.items())[:_NAMED]:
        first, others = members[0], len(members) - 1
        more = f", {others} more" if others else ""
        told.append(f"{scenario}, {first.step!r}: {first.observation.rstrip('.')}{more}")
    if len(kinds) > _NAMED:
        told.append(f"{len(kinds) - _NAMED} more scenarios")
    return "; ".join(told)
