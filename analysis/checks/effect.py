"""Does the pipeline make, or hide, a difference between the groups?"""

from analysis.run_model.load import Evidence
from analysis.statistics import LEAST_CLICKING
from analysis.summaries.effects import differences
from analysis.verdict import ALPHA, CheckResult, CheckStatus, Layer


def check_effect(evidence: Evidence) -> CheckResult:
    """Compare the groups' click-through rates as they landed.

    An A/A run must find no difference, where the groups are large enough to look for one. In any other, the difference
    that landed has to be the one that was sent: it fails when the 95 % interval around what landed leaves out what was
    sent.
    """
    found = differences(evidence)
    if not found:
        why = "Too few subjects with impressions landed to compare click-through rates."
        if len(evidence.group_names()) < 2:
            why = "One group: nothing to compare."
        return CheckResult("effect", Layer.EXPOSURE, CheckStatus.INCONCLUSIVE, why, matters=False)
    detail = {"differences": [{name: getattr(item, name) for name in item.__slots__} for item in found]}
    tested = [item for item in found if item.p_value is not None and item.testable]
    least = min((item.p_value for item in tested if item.p_value is not None), default=None)
    if evidence.plan.settings.aa:
        wrong = [item for item in tested if item.p_value is not None and item.p_value < ALPHA / len(tested)]
        if wrong:
            first = wrong[0]
            summary = (
                f"In an A/A run, {first.group!r} clicks {first.difference:+.2%} more often than {first.control!r} "
                f"(p = {first.p_value:.2g}): look for what one group meets and the other does not."
            )
            return CheckResult(
                "effect", Layer.EXPOSURE, CheckStatus.FAIL, summary, first.difference, least, ALPHA, detail
            )
        if not tested:
            why = (
                f"Fewer than {LEAST_CLICKING} subjects are expected to click in groups as small as these: too few to "
                "compare click-through rates."
            )
            return CheckResult("effect", Layer.EXPOSURE, CheckStatus.INCONCLUSIVE, why, evidence=detail, matters=False)
        summary = "The groups click alike, as they are to in an A/A run"
        summary += f" (p = {least:.3f})." if least is not None else "."
        return CheckResult("effect", Layer.EXPOSURE, CheckStatus.PASS, summary, None, least, ALPHA, detail)
    apart = [item for item in found if item.sent is not None and not item.low <= item.sent <= item.high]
    if apart:
        first = apart[0]
        summary = (
            f"{first.group!r} clicks {first.difference:+.2%} against {first.control!r} in the table, where "
            f"{first.sent:+.2%} was "
            "sent: look at what one group lost on the way."
        )
        layer = evidence.delivery_layer
        return CheckResult("effect", layer, CheckStatus.FAIL, summary, first.difference, least, None, detail)
    first = found[0]
    summary = (
        f"{first.group!r} clicks {first.difference:+.2%} against {first.control!r} ({first.low:+.2%} to "
        f"{first.high:+.2%}), as it was sent."
    )
    return CheckResult("effect", Layer.EXPOSURE, CheckStatus.PASS, summary, first.difference, least, None, detail)
