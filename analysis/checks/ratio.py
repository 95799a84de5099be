"""Are there as many subjects in each group, and in the sample, as the contract's hashes allow for?"""

from analysis.evidence import Evidence
from analysis.results import CheckResult, Layer, Outcome
from analysis.statistics import rate_test, ratio_power, ratio_test
from metrics_platform.assignment import expected_shares

#: A platform watches many experiments, so a sample-ratio test is read at 0.001 (Fabijan et al., KDD 2019).
ALPHA = 0.001

#: With less power than this to see 60 to 40 where 50 to 50 was meant, a pass would say nothing.
_EFFECT, _POWER = 0.2, 0.8


def landed_subjects(evidence: Evidence) -> dict[str, int]:
    """Return how many distinct subjects landed in each group of the experiment; unknown groups are left out."""
    counts = dict.fromkeys(evidence.group_names(), 0)
    for row in evidence.engine.ask("subjects", evidence.query_values):
        if row["subject"] is not None and row["group_name"] in counts:
            counts[str(row["group_name"])] += 1
    return counts


def check_sample_ratio(evidence: Evidence) -> CheckResult:
    """Test the landed subjects of each group against the exact expected shares."""
    counts = landed_subjects(evidence)
    shares = expected_shares(len(counts), evidence.plan.rate).groups
    total = sum(counts.values())
    found = ratio_test(list(counts.values()), shares)
    told = " to ".join(f"{count:,} {group}" for group, count in counts.items())
    detail = {
        "subjects": counts,
        "expected_shares": [float(share / sum(shares)) for share in shares] if any(shares) else [],
    }
    if found.p_value is None or (ratio_power(total, shares, _EFFECT, ALPHA) < _POWER and found.p_value >= ALPHA):
        summary = f"Too few subjects landed to judge the sample ratio ({told})."
        return CheckResult(
            "sample-ratio",
            Layer.EXPOSURE,
            Outcome.INCONCLUSIVE,
            summary,
            found.statistic,
            found.p_value,
            ALPHA,
            detail,
        )
    failed = found.p_value < ALPHA
    summary = (
        f"Sample-ratio mismatch: {told} subjects landed (p = {found.p_value:.2g}): look for what one group meets "
        "and the other does not."
        if failed
        else f"{told} subjects landed, as expected (p = {found.p_value:.3f})."
    )
    outcome = Outcome.FAIL if failed else Outcome.PASS
    return CheckResult("sample-ratio", Layer.EXPOSURE, outcome, summary, found.statistic, found.p_value, ALPHA, detail)


def check_sample_rate(evidence: Evidence) -> CheckResult:
    """Test how many of the subjects that came are in the sample against the wiki's sample rate.

    Subjects who are in the sample and by the plan send nothing (they never see the element), and those of whom every
    event is indeterminate, cannot be seen in the table; they are counted as the plan has them.
    """
    came = _came(evidence)
    sampled = evidence.subjects.in_sample[:came]
    silent = sum(1 for visit in sampled.nonzero()[0].tolist() if not evidence.plan.visit(visit))
    landed = sum(landed_subjects(evidence).values())
    share = 1 - expected_shares(len(evidence.group_names()), evidence.plan.rate).not_in_sample
    unknowable = int(str(evidence.engine.ask("unknowable")[0]["subjects"]))
    count = min(landed + silent + unknowable, came)
    if not came:
        return CheckResult("sample-rate", Layer.ASSIGNMENT, Outcome.INCONCLUSIVE, "Nobody came, so there is no rate.")
    p_value = rate_test(count, came, float(share))
    detail = {
        "came": came,
        "in_sample": count,
        "of_them_silent": silent,
        "unknowable": unknowable,
        "expected": float(share),
    }
    failed = p_value < ALPHA
    told = f"{count:,} of {came:,} subjects are in the sample ({count / came:.2%})"
    summary = (
        f"{told}, where the sample rate is {evidence.plan.rate:.2%}: look at the wiki's rate, and at sampling on top."
        if failed
        else f"{told}, as the sample rate of {evidence.plan.rate:.2%} has it (p = {p_value:.3f})."
    )
    outcome = Outcome.FAIL if failed else Outcome.PASS
    return CheckResult("sample-rate", Layer.ASSIGNMENT, outcome, summary, count / came, p_value, ALPHA, detail)


def _came(evidence: Evidence) -> int:
    """Return how many visits had begun when the run ended."""
    if not evidence.manifest.stopped_early:
        return evidence.manifest.visitors
    return int(evidence.ledger.visit.max()) + 1 if len(evidence.ledger.visit) else 0
