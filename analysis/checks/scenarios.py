"""Check the findings of scenarios; each counts at its own layer."""

from collections.abc import Sequence

from analysis.run_model.load import Evidence
from analysis.verdict import CheckResult, CheckStatus, Layer
from common.sentences import agree, clause, count_of
from run_record.scenario_findings import ScenarioFinding

#: Scenarios per layer that the sentence names; the evidence has all.
_NAMED = 4


def check_scenarios(evidence: Evidence) -> CheckResult:
    """Name the wrong findings by layer and scenario; the layer that an event meets first is the check's."""
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
        summary = f"{count_of(len(findings), 'finding')} of {count_of(scenarios, 'scenario')}: all as expected."
        summary = summary if findings else "The scenarios have no findings besides their events."
        return CheckResult("scenarios", Layer.INSTRUMENT, CheckStatus.PASS, summary, 0, threshold=0, evidence=detail)
    # Steps that the kit could not play prove nothing; other findings stand.
    unplayed = by_layer.pop(Layer.GENERATOR, [])
    if not by_layer:
        summary = f"{count_of(len(unplayed), 'step')} of scenarios could not be played: {_by_scenario(unplayed)}."
        return CheckResult(
            "scenarios", Layer.GENERATOR, CheckStatus.INVALID, summary, len(unplayed), threshold=0, evidence=detail
        )
    layers = [f"{layer} – {_by_scenario(members)}" for layer, members in by_layer.items()]
    more = f" {count_of(len(unplayed), 'step')} could not be played." if unplayed else ""
    number = len(wrong) - len(unplayed)
    summary = (
        f"{count_of(number, 'finding')} of scenarios {agree(number, 'is', 'are')} wrong: {'. '.join(layers)}.{more}"
    )
    layer = next(iter(by_layer))
    return CheckResult("scenarios", layer, CheckStatus.FAIL, summary, len(wrong), threshold=0, evidence=detail)


def _by_layer(findings: Sequence[ScenarioFinding]) -> dict[Layer, list[ScenarioFinding]]:
    """Return the findings of each layer that has any, in the order in which an event meets the layers."""
    layers = {layer: [item for item in findings if Layer(item.layer) is layer] for layer in Layer}
    return {layer: members for layer, members in layers.items() if members}


def _by_scenario(findings: Sequence[ScenarioFinding]) -> str:
    """Return each scenario of *findings* with its first finding and the number of the others."""
    scenarios: dict[str, list[ScenarioFinding]] = {}
    for finding in findings:
        scenarios.setdefault(finding.scenario, []).append(finding)
    clauses = []
    for scenario, members in list(scenarios.items())[:_NAMED]:
        first, others = members[0], len(members) - 1
        more = f", {others} more" if others else ""
        clauses.append(f"{scenario}, {first.step!r}: {clause(first.observation)}{more}")
    if len(scenarios) > _NAMED:
        clauses.append(count_of(len(scenarios) - _NAMED, "more scenario"))
    return "; ".join(clauses)
