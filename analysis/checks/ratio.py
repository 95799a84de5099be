"""Checks of the sample ratio, overall and by segment, and of the sample rate."""

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
from common.sentences import count_of
from contracts.assignment import expected_shares

#: Least power to detect 60 to 40 in place of 50 to 50 (an effect of 0.2); below it a pass would mean nothing.
_EFFECT, _POWER = 0.2, 0.8

#: Least subjects of a segment that is tested; fewer cannot show more than chance.
_MIN_SUBJECTS = 50

_EXAMPLES = 5

Shares = Sequence[Fraction]


def landed_subjects(evidence: Evidence) -> dict[str, int]:
    """Return the number of distinct subjects that landed in each group of the experiment.

    Unknown groups and subjects that were chosen for their group are left out.
    """
    landed = {str(row["group_name"]): int(str(row["by_chance"])) for row in evidence.landed_groups}
    return {name: landed.get(name, 0) for name in evidence.group_names()}


def check_sample_ratio(evidence: Evidence) -> CheckResult:
    """Test the subjects of each group against the exact expected shares, at every stage.

    The imbalance arose at the first stage with a mismatch. Clicks are tested in A/A runs only, because a treatment may
    change how many subjects click.
    """
    if reason := nothing_to_compare(evidence):
        return CheckResult("sample-ratio", Layer.EXPOSURE, CheckStatus.INCONCLUSIVE, reason, matters=False)
    shares = expected_shares(len(evidence.group_names()), evidence.plan.rate).groups
    stages = _stages(evidence)
    landed = stages[FunnelStage.LANDED]
    tests = {stage: multinomial_test(counts, shares) for stage, counts in stages.items() if sum(counts)}
    adjusted = dict(zip(tests, holm([test.p_value for test in tests.values()]), strict=True))
    off = [stage for stage in tests if adjusted[stage] < ALPHA and _matters(evidence, stages[stage], shares)]
    ratio = _ratio(evidence, landed)
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
        status, first = CheckStatus.FAIL, off[0]
        layer, summary = _diagnose(evidence, first, stages, tests[first])
        result = tests[first]
    elif result is None or ratio_power(sum(landed), shares, _EFFECT, ALPHA) < _POWER:
        status, summary = CheckStatus.INCONCLUSIVE, f"Too few subjects landed to test the sample ratio ({ratio})."
    else:
        status, summary = CheckStatus.PASS, f"{ratio} subjects landed, as expected (p = {result.p_value:.3f})."
    statistic, p_value = (result.statistic, result.p_value) if result else (None, None)
    return CheckResult("sample-ratio", layer, status, summary, statistic, p_value, ALPHA, detail)


def check_segments(evidence: Evidence) -> CheckResult:
    """Test the sample ratio of the landed subjects of every segment, with Holm's correction over all segments."""
    shares = expected_shares(len(evidence.group_names()), evidence.plan.rate).groups
    no_groups = nothing_to_compare(evidence)
    ratios = {} if no_groups else _segment_ratios(evidence, count_segments(evidence))
    if not ratios:
        reason = no_groups or "No segment has enough subjects to test its sample ratio."
        return CheckResult("segments", Layer.EXPOSURE, CheckStatus.INCONCLUSIVE, reason, matters=False)
    tests = {key: multinomial_test(landed, shares) for key, (_, landed) in ratios.items()}
    adjusted = dict(zip(tests, holm([test.p_value for test in tests.values()]), strict=True))
    off = sorted(
        (key for key in tests if adjusted[key] < ALPHA and _matters(evidence, ratios[key][1], shares)),
        key=adjusted.__getitem__,
    )
    least = min(adjusted.values())
    detail = {
        "segments": len(ratios),
        "off": [
            {"dimension": key[0], "value": key[1], "subjects": ratios[key][1], "p_value_adjusted": adjusted[key]}
            for key in off[:_EXAMPLES]
        ],
    }
    if not off:
        summary = (
            f"The sample ratio of {count_of(len(ratios), 'segment')} is as expected (smallest p = {least:.3f}, "
            "corrected)."
        )
        return CheckResult("segments", Layer.EXPOSURE, CheckStatus.PASS, summary, None, least, ALPHA, detail)
    (dimension, value), (sent, landed) = off[0], ratios[off[0]]
    before = multinomial_test(sent, shares).p_value if sum(sent) else 1.0
    # Dimensions that only rows have are unknown for sent events, unless nothing was lost.
    unknown = dimension in IN_ROWS and any(row["fate"] == "lost" for row in evidence.fates)
    layer = Layer.EXPOSURE if before < ALPHA and not unknown else evidence.delivery_layer
    more = f", and in {count_of(len(off) - 1, 'more segment')}" if len(off) > 1 else ""
    where = "what one group meets there" if layer is Layer.EXPOSURE else "what one group lost there on the way"
    summary = (
        f"Sample-ratio mismatch where {dimension} is {value!r} ({_ratio(evidence, landed)} subjects landed){more}: "
        f"look for {where}."
    )
    return CheckResult("segments", layer, CheckStatus.FAIL, summary, tests[off[0]].statistic, least, ALPHA, detail)


def check_sample_rate(evidence: Evidence) -> CheckResult:
    """Test the number of visiting subjects in the sample against the wiki's sample rate.

    Subjects in the sample who sent nothing (they never saw the element, or the run was stopped before), and subjects
    with only indeterminate events, cannot be in the table; they count as planned. When the subjects with offered events
    pass the same test, the others were lost on the way, and the layer is that of delivery.
    """
    participants = evidence.participants
    natural = participants.started & ~participants.chosen
    visited = int(np.count_nonzero(natural))
    if not visited:
        return CheckResult(
            "sample-rate", Layer.ASSIGNMENT, CheckStatus.INCONCLUSIVE, "No subject visited, so there is no rate."
        )
    offered = np.zeros(len(natural), dtype=np.bool_)
    offered[evidence.ledger.visit] = True
    offered &= natural
    silent = int(np.count_nonzero(participants.in_sample & natural & ~offered))
    landed = sum(landed_subjects(evidence).values())
    share = float(1 - expected_shares(len(evidence.group_names()), evidence.plan.rate).not_in_sample)
    unknowable = sum(bool(natural[int(str(row["visit"]))]) for row in evidence.engine.ask("indeterminate_visits"))
    count = min(landed + silent + unknowable, visited)
    sent = int(np.count_nonzero(offered)) + silent
    p_value = rate_test(count, visited, share)
    squared = _sampled_twice(evidence, share)
    detail = {
        "came": visited,
        "in_sample": count,
        "in_sample_when_sent": sent,
        "of_them_silent": silent,
        "unknowable": unknowable,
        "expected": share,
        "as_if_sampled_twice": squared,
    }
    sampled = f"{count:,} of {count_of(visited, 'subject')} are in the sample ({count / visited:.2%})"
    mismatch = f"{sampled}, with a sample rate of {evidence.plan.rate:.2%}"
    layer, status = Layer.ASSIGNMENT, CheckStatus.FAIL
    if squared:
        layer = Layer.TRANSPORT
        summary = (
            f"{count_of(landed, 'subject')} landed, as if sampled twice ({share**2:.2%} in place of {share:.2%}): "
            "look for stream sampling on top of the experiment's."
        )
    elif p_value >= ALPHA:
        status = CheckStatus.PASS
        summary = f"{mismatch} (p = {p_value:.3f})."
    elif rate_test(sent, visited, share) >= ALPHA:
        layer = evidence.delivery_layer
        summary = f"{mismatch}; {sent:,} were when the events were sent. Look at what they lost on the way."
    else:
        summary = f"{mismatch}: look at the wiki's rate, and for sampling on top of it."
    return CheckResult("sample-rate", layer, status, summary, count / visited, p_value, ALPHA, detail)


def nothing_to_compare(evidence: Evidence) -> str:
    """Return why two groups with subjects cannot be compared; empty when they may be."""
    participants = evidence.participants
    enrolled = int(np.count_nonzero(participants.started & ~participants.chosen & (participants.group >= 0)))
    if len(evidence.group_names()) < 2:
        return "The experiment has one group: nothing to compare."
    if not evidence.plan.rate:
        return "The sample rate is 0, so nobody is enrolled: nothing to compare."
    if enrolled == 1:
        return "Only one subject is enrolled: nothing to compare."
    return ""


def _sampled_twice(evidence: Evidence, share: float) -> bool:
    """Return whether, in every group, the share of subjects that landed is the sample rate itself.

    Sampling on top of the experiment's leaves that share of the subjects with an event to send, in any group.
    """
    if evidence.manifest.stopped_early or share >= 1:
        return False
    participants = evidence.participants
    due = due_visits(evidence) & participants.started & ~participants.chosen & participants.in_sample
    landed = landed_subjects(evidence)
    for number, name in enumerate(evidence.group_names()):
        subjects = int(np.count_nonzero(due & (participants.group == number)))
        if subjects < _MIN_SUBJECTS or rate_test(min(landed[name], subjects), subjects, share) < ALPHA:
            return False
    return True


def _stages(evidence: Evidence) -> dict[FunnelStage, list[int]]:
    """Return the subjects of each group at the stages with a known ratio, in order."""
    stages = natural_subjects(evidence)
    stages[FunnelStage.LANDED] = list(landed_subjects(evidence).values())
    if not evidence.plan.settings.aa:
        stages.pop(FunnelStage.CLICK)
    return stages


def _diagnose(
    evidence: Evidence, first: FunnelStage, stages: Mapping[FunnelStage, Sequence[int]], test: MultinomialTest
) -> tuple[Layer, str]:
    """Return layer and sentence for a mismatch that begins at the stage *first*."""
    ratio = _ratio(evidence, stages[first])
    if test.impossible:
        return (
            Layer.ASSIGNMENT,
            f"{count_of(test.impossible, 'subject')} landed in a group with a share of 0 ({ratio}): look at the hash.",
        )
    mismatch = f"Sample-ratio mismatch: {ratio} subjects"
    if first is FunnelStage.LANDED:
        before = _ratio(evidence, stages[FunnelStage.IMPRESSION])
        return evidence.delivery_layer, (
            f"{mismatch} landed (p = {test.p_value:.2g}), though {before} sent events: "
            "look at what one group lost on the way."
        )
    if first is FunnelStage.ASSIGNED:
        return (
            Layer.ASSIGNMENT,
            f"{mismatch} are assigned (p = {test.p_value:.2g}): look at the hash, and at which subjects visit.",
        )
    did = {
        FunnelStage.EXPOSED: "were shown their group",
        FunnelStage.IMPRESSION: "sent an impression",
        FunnelStage.CLICK: "clicked",
    }[first]
    return Layer.EXPOSURE, (
        f"{mismatch} {did} (p = {test.p_value:.2g}): look for what one group meets and the other does not."
    )


def _matters(evidence: Evidence, counts: Sequence[int], shares: Shares) -> bool:
    """Return whether an imbalance reaches the smallest one that the caller set."""
    return not evidence.min_imbalance or exceeds_floor(counts, shares, evidence.min_imbalance)


def _ratio(evidence: Evidence, counts: Sequence[int]) -> str:
    return " to ".join(f"{count:,} {name}" for name, count in zip(evidence.group_names(), counts, strict=True))


def _segment_ratios(
    evidence: Evidence, segments: Sequence[SegmentCount]
) -> dict[tuple[str, str], tuple[list[int], list[int]]]:
    """Return sent and landed subjects of each group, for the segments that are large enough.

    A dimension with one segment is the whole run, which `check_sample_ratio` tests.
    """
    names = evidence.group_names()
    ratios: dict[tuple[str, str], tuple[list[int], list[int]]] = {}
    for item in segments:
        sent, landed = ratios.setdefault((item.dimension, item.value), ([0] * len(names), [0] * len(names)))
        sent[names.index(item.group)] = item.sent_subjects
        landed[names.index(item.group)] = item.landed_subjects
    several = {dimension for dimension, _ in ratios if sum(key[0] == dimension for key in ratios) > 1}
    return {key: pair for key, pair in ratios.items() if key[0] in several and sum(pair[0]) >= _MIN_SUBJECTS}
