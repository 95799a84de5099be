"""Check the difference between the groups' click-through rates: the pipeline must neither make nor hide one."""

from analysis.run_model.load import Evidence
from analysis.statistics import LEAST_CLICKING
from analysis.summaries.effects import differences
from analysis.verdict import ALPHA, CheckResult, CheckStatus, Layer


def check_effect(evidence: Evidence) -> CheckResult:
    """Compare the groups' click-through rates as they landed.

    An A/A run fails when the groups differ; groups that are too small are not tested. Any other run fails when the
    95 % interval of the landed difference does not contain the sent one.
    """
    compared = differences(evidence)
    if not compared:
        reason = "Too few subjects with impressions landed to compare click-through rates."
        if len(evidence.group_names()) < 2:
            reason = "The experiment has one group: nothing to compare."
        return CheckResult("effect", Layer.EXPOSURE, CheckStatus.INCONCLUSIVE, reason, matters=False)
    detail = {"differences": [{name: getattr(item, name) for name in item.__slots__} for item in compared]}
    tested = [item for item in compared if item.p_value is not None and item.testable]
    least = min((item.p_value for item in tested if item.p_value is not None), default=None)
    if evidence.plan.settings.aa:
        different = [item for item in tested if item.p_value is not None and item.p_value < ALPHA / len(tested)]
        if different:
            first = different[0]
            summary = (
                f"{first.group!r} clicks {first.difference:+.2%} against {first.control!r} in an A/A run "
                f"(p = {first.p_value:.2g}): look for what one group meets and the other does not."
            )
            return CheckResult(
                "effect", Layer.EXPOSURE, CheckStatus.FAIL, summary, first.difference, least, ALPHA, detail
            )
        if not tested:
            reason = (
                f"Fewer than {LEAST_CLICKING} subjects are expected to click in a group: too few to compare "
                "click-through rates."
            )
            return CheckResult(
                "effect", Layer.EXPOSURE, CheckStatus.INCONCLUSIVE, reason, evidence=detail, matters=False
            )
        summary = "The groups click alike, as they should in an A/A run"
        summary += f" (p = {least:.3f})." if least is not None else "."
        return CheckResult("effect", Layer.EXPOSURE, CheckStatus.PASS, summary, None, least, ALPHA, detail)
    changed = [item for item in compared if item.sent is not None and not item.low <= item.sent <= item.high]
    if changed:
        first = changed[0]
        summary = (
            f"{first.group!r} clicks {first.difference:+.2%} against {first.control!r} in the table and "
            f"{first.sent:+.2%} as sent: look at what one group lost on the way."
        )
        layer = evidence.delivery_layer
        return CheckResult("effect", layer, CheckStatus.FAIL, summary, first.difference, least, None, detail)
    first = compared[0]
    summary = (
        f"{first.group!r} clicks {first.difference:+.2%} against {first.control!r} ({first.low:+.2%} to "
        f"{first.high:+.2%}), as sent."
    )
    return CheckResult("effect", Layer.EXPOSURE, CheckStatus.PASS, summary, first.difference, least, None, detail)
