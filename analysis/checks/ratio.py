"""Are there as many subjects in each group, and in the sample, as the contract's hashes allow for?"""

import numpy as np

from analysis.evidence import Evidence
from analysis.results import CheckResult, Layer, Outcome
from analysis.statistics import rate_test, ratio_power, ratio_test
from metrics_platform.assignment import expected_shares

#: A platform watches many experiments, so a sample-ratio test is read at 0.001 (Fabijan et al., KDD 2019).
ALPHA = 0.001

#: With less power than this to see 60 to 40 where 50 to 50 was meant, a pass would say nothing.
_EFFECT, _POWER = 0.2, 0.8


def landed_subjects(evidence: Evidence) -> dict[str, int]:
    """Return how many distinct subjects landed in each group of the experiment.

    Unknown groups are left out, and so are subjects that were chosen for their group.
    """
    counts = dict.fromkeys(evidence.group_names(), 0)
    chosen = evidence.participants.chosen_subjects
    for row in evidence.engine.ask("subjects", evidence.query_values):
        if row["subject"] is not None and str(row["subject"]) not in chosen and row["group_name"] in counts:
            counts[str(row["group_name"])] += 1
    return counts


def offered_subjects(evidence: Evidence) -> dict[str, int]:
    """Return how many subjects of each group put at least one event on the wire."""
    people = evidence.participants
    visits = np.unique(evidence.ledger.visit)
    groups = people.group[visits[~people.chosen[visits]]]
    counts = np.bincount(groups[groups >= 0], minlength=len(evidence.group_names()))
    return dict(zip(evidence.group_names(), counts.tolist(), strict=True))


def check_sample_ratio(evidence: Evidence) -> CheckResult:
    """Test the landed subjects of each group against the exact expected shares.

    When those that were offered pass the same test, the imbalance came about on the way, and the layer is that of
    the loss; otherwise it was there before the first event.
    """
    counts, offered = landed_subjects(evidence), offered_subjects(evidence)
    shares = expected_shares(len(counts), evidence.plan.rate).groups
    total = sum(counts.values())
    found = ratio_test(list(counts.values()), shares)
    told = " to ".join(f"{count:,} {group}" for group, count in counts.items())
    detail = {
        "subjects": counts,
        "offered_subjects": offered,
        "expected_shares": [float(share / sum(shares)) for share in shares] if any(shares) else [],
    }
    layer = Layer.EXPOSURE
    if found.p_value is None or (ratio_power(total, shares, _EFFECT, ALPHA) < _POWER and found.p_value >= ALPHA):
        outcome = Outcome.INCONCLUSIVE
        summary = f"Too few subjects landed to judge the sample ratio ({told})."
    elif found.p_value >= ALPHA:
        outcome = Outcome.PASS
        summary = f"{told} subjects landed, as expected (p = {found.p_value:.3f})."
    else:
        outcome = Outcome.FAIL
        before = ratio_test(list(offered.values()), shares).p_value
        summary = f"Sample-ratio mismatch: {told} subjects landed (p = {found.p_value:.2g})"
        if before is not None and before >= ALPHA:
            layer = evidence.delivery_layer
            sent = " to ".join(f"{count:,} {group}" for group, count in offered.items())
            summary += f", though {sent} sent events: look at what one group lost on the way."
        else:
            summary += ": look for what one group meets and the other does not."
    return CheckResult("sample-ratio", layer, outcome, summary, found.statistic, found.p_value, ALPHA, detail)


def check_sample_rate(evidence: Evidence) -> CheckResult:
    """Test how many of the subjects that came are in the sample against the wiki's sample rate.

    Subjects who are in the sample and sent nothing (they never saw the element, or the run was stopped before), and
    those of whom every event is indeterminate, cannot be seen in the table; they are counted as the plan has them.
    When those that were offered pass the same test, the rest got lost on the way, which is the layer then.
    """
    people = evidence.participants
    natural = people.came & ~people.chosen
    came = int(np.count_nonzero(natural))
    if not came:
        return CheckResult("sample-rate", Layer.ASSIGNMENT, Outcome.INCONCLUSIVE, "Nobody came, so there is no rate.")
    offered = np.zeros(len(natural), dtype=np.bool_)
    offered[evidence.ledger.visit] = True
    offered &= natural
    silent = int(np.count_nonzero(people.in_sample & natural & ~offered))
    landed = sum(landed_subjects(evidence).values())
    share = float(1 - expected_shares(len(evidence.group_names()), evidence.plan.rate).not_in_sample)
    unknowable = sum(bool(natural[int(str(row["visit"]))]) for row in evidence.engine.ask("unknowable"))
    count = min(landed + silent + unknowable, came)
    sent = int(np.count_nonzero(offered)) + silent
    p_value = rate_test(count, came, share)
    detail = {
        "came": came,
        "in_sample": count,
        "in_sample_when_sent": sent,
        "of_them_silent": silent,
        "unknowable": unknowable,
        "expected": share,
    }
    told = f"{count:,} of {came:,} subjects are in the sample ({count / came:.2%})"
    wanted = f"{told}, where the sample rate is {evidence.plan.rate:.2%}"
    layer, outcome = Layer.ASSIGNMENT, Outcome.FAIL
    if p_value >= ALPHA:
        outcome = Outcome.PASS
        summary = f"{told}, as the sample rate of {evidence.plan.rate:.2%} has it (p = {p_value:.3f})."
    elif rate_test(sent, came, share) >= ALPHA:
        layer = evidence.delivery_layer
        summary = f"{wanted} and {sent:,} were when the events were sent: look at what happened to them on the way."
    else:
        summary = f"{wanted}: look at the wiki's rate, and at sampling on top."
    return CheckResult("sample-rate", layer, outcome, summary, count / came, p_value, ALPHA, detail)
