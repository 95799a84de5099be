"""Are there as many subjects in each group, and in the sample, as the contract's hashes allow for?"""

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from analysis.run_model.load import Evidence
from analysis.statistics import (
    MultinomialTest,
    exceeds_floor,
    holm,
    multinomial_test,
    rate_test,
    ratio_power,
)
from analysis.summaries.funnel import FunnelStage, due_visits, natural_subjects
from analysis.summaries.segments import IN_ROWS, SegmentCount, count_segments
from analysis.verdict import ALPHA, CheckResult, CheckStatus, Layer
from contracts.assignment import expected_shares

#: With less power than this to see 60 to 40 where 50 to 50 was meant, a pass would say nothing.
_EFFECT, _POWER = 0.2, 0.8

#: A segment with fewer subjects is not tested: nothing in it could be told from chance.
_MIN_SUBJECTS = 50

_EXAMPLES = 5

Shares = Sequence[Fraction]


def landed_subjects(evidence: Evidence) -> dict[str, int]:
    """Return how many distinct subjects landed in each group of the experiment.

    Unknown groups are left out, and so are subjects that were chosen for their group.
    """
    landed = {str(row["group_name"]): int(str(row["by_chance"])) for row in evidence.landed_groups}
    return {name: landed.get(name, 0) for name in evidence.group_names()}


def check_sample_ratio(evidence: Evidence) -> CheckResult:
    """Test the subjects of each group against the exact expected shares, at every stage that they pass.

    The first stage at which the ratio is off says where the imbalance came about. Clicks are only tested in an A/A
    run: elsewhere the treatment may well change how many click.
    """
    if why := nothing_to_compare(evidence):
        return CheckResult("sample-ratio", Layer.EXPOSURE, CheckStatus.INCONCLUSIVE, why, matters=False)
    shares = expected_shares(len(evidence.group_names()), evidence.plan.rate).groups
    stages = _stages(evidence)
    landed = stages[FunnelStage.LANDED]
    tests = {stage: multinomial_test(counts, shares) for stage, counts in stages.items() if sum(counts)}
    adjusted = dict(zip(tests, holm([test.p_value for test in tests.values()]), strict=True))
    off = [stage for stage in tests if adjusted[stage] < ALPHA and _matters(evidence, stages[stage], shares)]
    told = _ratio(evidence, landed)
    result = tests.get(FunnelStage.LANDED)
    detail = {
        "subjects": {
            str(stage): dict(zip(evidence.group_names(), counts, strict=True)) for stage, counts in stages.items()
        },
        "expected_shares": [float(share / sum(shares)) for share in shares] if any(shares) else [],
        "p_values": {str(stage): test.p_value for stage, test in tests.items()},
        "p_values_adjusted": {str(stage): value for stage, value in adjusted.items()},
    }
    layer = Layer.EXPOSURE
    if off:
        outcome, first = CheckStatus.FAIL, off[0]
        layer, summary = _blame(evidence, first, stages, tests[first])
        result = tests[first]
    elif result is None or ratio_power(sum(landed), shares, _EFFECT, ALPHA) < _POWER:
        outcome, summary = CheckStatus.INCONCLUSIVE, f"Too few subjects landed to judge the sample ratio ({told})."
    else:
        outcome, summary = CheckStatus.PASS, f"{told} subjects landed, as expected (p = {result.p_value:.3f})."
    statistic, p_value = (result.statistic, result.p_value) if result else (None, None)
    return CheckResult("sample-ratio", layer, outcome, summary, statistic, p_value, ALPHA, detail)


def check_segments(evidence: Evidence) -> CheckResult:
    """Test the sample ratio of what landed in every segment, with Holm's correction over all of them."""
    shares = expected_shares(len(evidence.group_names()), evidence.plan.rate).groups
    alone = nothing_to_compare(evidence)
    found = {} if alone else _segment_ratios(evidence, count_segments(evidence))
    if not found:
        why = alone or "No segment has enough subjects to judge its sample ratio."
        return CheckResult("segments", Layer.EXPOSURE, CheckStatus.INCONCLUSIVE, why, matters=False)
    tests = {key: multinomial_test(landed, shares) for key, (_, landed) in found.items()}
    adjusted = dict(zip(tests, holm([test.p_value for test in tests.values()]), strict=True))
    off = sorted(
        (key for key in tests if adjusted[key] < ALPHA and _matters(evidence, found[key][1], shares)),
        key=adjusted.__getitem__,
    )
    least = min(adjusted.values())
    detail = {
        "segments": len(found),
        "off": [
            {"dimension": key[0], "value": key[1], "subjects": found[key][1], "p_value_adjusted": adjusted[key]}
            for key in off[:_EXAMPLES]
        ],
    }
    if not off:
        summary = (
            f"The sample ratio is as expected in each of {len(found)} segments (smallest p = {least:.3f}, corrected)."
        )
        return CheckResult("segments", Layer.EXPOSURE, CheckStatus.PASS, summary, None, least, ALPHA, detail)
    (dimension, value), (sent, landed) = off[0], found[off[0]]
    before = multinomial_test(sent, shares).p_value if sum(sent) else 1.0
    # Of what only rows tell, nobody knows how it was when it was sent, unless nothing was lost.
    unknown = dimension in IN_ROWS and any(row["fate"] == "lost" for row in evidence.fates)
    layer = Layer.EXPOSURE if before < ALPHA and not unknown else evidence.delivery_layer
    more = f", and {len(off) - 1} more segments are off" if len(off) > 1 else ""
    where = "what one group meets there" if layer is Layer.EXPOSURE else "what one group lost there on the way"
    summary = (
        f"Sample-ratio mismatch where {dimension} is {value!r}: {_ratio(evidence, landed)} subjects landed{more}: "
        f"look for {where}."
    )
    return CheckResult("segments", layer, CheckStatus.FAIL, summary, tests[off[0]].statistic, least, ALPHA, detail)


def check_sample_rate(evidence: Evidence) -> CheckResult:
    """Test how many of the subjects that came are in the sample against the wiki's sample rate.

    Subjects who are in the sample and sent nothing (they never saw the element, or the run was stopped before), and
    those of whom every event is indeterminate, cannot be seen in the table; they are counted as the plan has them.
    When those that were offered pass the same test, the rest got lost on the way, which is the layer then.
    """
    people = evidence.participants
    natural = people.started & ~people.chosen
    came = int(np.count_nonzero(natural))
    if not came:
        return CheckResult(
            "sample-rate", Layer.ASSIGNMENT, CheckStatus.INCONCLUSIVE, "Nobody came, so there is no rate."
        )
    offered = np.zeros(len(natural), dtype=np.bool_)
    offered[evidence.ledger.visit] = True
    offered &= natural
    silent = int(np.count_nonzero(people.in_sample & natural & ~offered))
    landed = sum(landed_subjects(evidence).values())
    share = float(1 - expected_shares(len(evidence.group_names()), evidence.plan.rate).not_in_sample)
    unknowable = sum(bool(natural[int(str(row["visit"]))]) for row in evidence.engine.ask("indeterminate_visits"))
    count = min(landed + silent + unknowable, came)
    sent = int(np.count_nonzero(offered)) + silent
    p_value = rate_test(count, came, share)
    squared = _sampled_twice(evidence, share)
    detail = {
        "came": came,
        "in_sample": count,
        "in_sample_when_sent": sent,
        "of_them_silent": silent,
        "unknowable": unknowable,
        "expected": share,
        "as_if_sampled_twice": squared,
    }
    told = f"{count:,} of {came:,} subjects are in the sample ({count / came:.2%})"
    wanted = f"{told}, where the sample rate is {evidence.plan.rate:.2%}"
    layer, outcome = Layer.ASSIGNMENT, CheckStatus.FAIL
    if squared:
        layer = Layer.TRANSPORT
        summary = (
            f"Of the subjects in the sample only the share of the rate itself landed, {landed:,} in all: that "
            "is the rate "
            f"squared ({share**2:.2%} where {share:.2%} was meant). Look for stream sampling on top of the "
            "experiment's."
        )
    elif p_value >= ALPHA:
        outcome = CheckStatus.PASS
        summary = f"{told}, as the sample rate of {evidence.plan.rate:.2%} has it (p = {p_value:.3f})."
    elif rate_test(sent, came, share) >= ALPHA:
        layer = evidence.delivery_layer
        summary = f"{wanted} and {sent:,} were when the events were sent: look at what happened to them on the way."
    else:
        summary = f"{wanted}: look at the wiki's rate, and at sampling on top."
    return CheckResult("sample-rate", layer, outcome, summary, count / came, p_value, ALPHA, detail)


def nothing_to_compare(evidence: Evidence) -> str:
    """Return why there are not two groups with subjects to compare; empty where there may be."""
    people = evidence.participants
    enrolled = int(np.count_nonzero(people.started & ~people.chosen & (people.group >= 0)))
    if len(evidence.group_names()) < 2:
        return "One group: nothing to compare."
    if not evidence.plan.rate:
        return "The sample rate is 0, so nobody is enrolled: nothing to compare."
    if enrolled == 1:
        return "One subject: nothing to compare."
    return ""


def _sampled_twice(evidence: Evidence, share: float) -> bool:
    """Return whether of those with something to send, in every group, no more landed than the rate's own share.

    Sampling on top of the experiment's leaves that share, whatever the group.
    """
    if evidence.manifest.stopped_early or share >= 1:
        return False
    people = evidence.participants
    due = due_visits(evidence) & people.started & ~people.chosen & people.in_sample
    landed = landed_subjects(evidence)
    for number, name in enumerate(evidence.group_names()):
        subjects = int(np.count_nonzero(due & (people.group == number)))
        if subjects < _MIN_SUBJECTS or rate_test(min(landed[name], subjects), subjects, share) < ALPHA:
            return False
    return True


def _stages(evidence: Evidence) -> dict[FunnelStage, list[int]]:
    """Return the subjects of each group at the stages whose ratio is known, in the order in which they are passed."""
    stages = natural_subjects(evidence)
    stages[FunnelStage.LANDED] = list(landed_subjects(evidence).values())
    if not evidence.plan.settings.aa:
        stages.pop(FunnelStage.CLICK)
    return stages


def _blame(
    evidence: Evidence, first: FunnelStage, stages: Mapping[FunnelStage, Sequence[int]], test: MultinomialTest
) -> tuple[Layer, str]:
    """Return the layer and the sentence of a ratio that is off from the stage *first* on."""
    told = _ratio(evidence, stages[first])
    if test.impossible:
        return Layer.ASSIGNMENT, f"{test.impossible:,} subjects are in a group that nobody can be in ({told})."
    mismatch = f"Sample-ratio mismatch: {told} subjects"
    if first is FunnelStage.LANDED:
        before = _ratio(evidence, stages[FunnelStage.IMPRESSION])
        return evidence.delivery_layer, (
            f"{mismatch} landed (p = {test.p_value:.2g}), though {before} sent events: "
            "look at what one group lost on the way."
        )
    if first is FunnelStage.ASSIGNED:
        return Layer.ASSIGNMENT, f"{mismatch} are assigned (p = {test.p_value:.2g}): look at who came and at the hash."
    did = {
        FunnelStage.EXPOSED: "were told their group",
        FunnelStage.IMPRESSION: "sent an impression",
        FunnelStage.CLICK: "clicked",
    }[first]
    return Layer.EXPOSURE, (
        f"{mismatch} {did} (p = {test.p_value:.2g}): look for what one group meets and the other does not."
    )


def _matters(evidence: Evidence, counts: Sequence[int], shares: Shares) -> bool:
    """Return whether an imbalance is as large as was asked for."""
    return not evidence.min_imbalance or exceeds_floor(counts, shares, evidence.min_imbalance)


def _ratio(evidence: Evidence, counts: Sequence[int]) -> str:
    return " to ".join(f"{count:,} {name}" for name, count in zip(evidence.group_names(), counts, strict=True))


def _segment_ratios(
    evidence: Evidence, segments: Sequence[SegmentCount]
) -> dict[tuple[str, str], tuple[list[int], list[int]]]:
    """Return the subjects of each group that sent and that landed, for the segments with enough of them.

    A dimension with one segment is the whole run, which the sample ratio has tested.
    """
    names = evidence.group_names()
    found: dict[tuple[str, str], tuple[list[int], list[int]]] = {}
    for item in segments:
        sent, landed = found.setdefault((item.dimension, item.value), ([0] * len(names), [0] * len(names)))
        sent[names.index(item.group)] = item.sent_subjects
        landed[names.index(item.group)] = item.landed_subjects
    several = {dimension for dimension, _ in found if sum(key[0] == dimension for key in found) > 1}
    return {key: pair for key, pair in found.items() if key[0] in several and sum(pair[0]) >= _MIN_SUBJECTS}
