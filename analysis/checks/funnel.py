"""Are funnels in order: one impression, then clicks, numbered from 1, one funnel a start of the instrument?"""

from analysis.run_model.load import Evidence
from analysis.verdict import CheckResult, CheckStatus, Layer
from contracts.profiles import profile_of

_EXAMPLES = 5

_RULES = {
    "click_without_impression": "have a click and no impression",
    "impression_twice": "have two impressions or more",
    "no_position": "have events without a position",
    "position_twice": "have a position twice",
    "position_missing": "have a gap in their positions, or do not begin at 1",
    "click_before_impression": "have a click from before their impression",
    "events_without_funnel": "events have no funnel token",
    "page_views_with_two": "page views have more than one funnel: the instrument was started twice",
}


def check_funnel(evidence: Evidence) -> CheckResult:
    """Look for funnels that are out of order, first in what was sent, then in those that landed whole and changed."""
    funnels, sent = _broken(evidence, "sent_content")
    changed_funnels, landed = 0, dict[str, int]()
    if any(row["fate"] == "corrupted" for row in evidence.fates):
        evidence.engine.keep("observed_changed", "changed_funnels")
        changed_funnels, landed = _broken(evidence, "observed_changed")
    wrong = sent or landed
    detail: dict[str, object] = {
        "funnels_sent": funnels,
        "funnels_changed": changed_funnels,
        "sent": sent,
        "landed": landed,
    }
    if not funnels:
        why = "No event of the instrument was sent, so there is no funnel."
        return CheckResult("funnel", Layer.INSTRUMENT, CheckStatus.INCONCLUSIVE, why, evidence=detail, matters=False)
    if not wrong:
        summary = f"All {funnels:,} funnels are in order."
        return CheckResult("funnel", Layer.INSTRUMENT, CheckStatus.PASS, summary, 0, threshold=0, evidence=detail)
    told = "; ".join(_tell(rule, count, funnels) for rule, count in wrong.items())
    where = "look at the instrument" if sent else "though they were sent in order: look at what rewrites rows"
    layer = Layer.INSTRUMENT if sent else Layer.TABLE
    if "page_views_with_two" in wrong:
        table = "sent_content" if sent else "observed_changed"
        detail["examples"] = evidence.engine.ask("page_views_with_two_funnels", observed=table)[:_EXAMPLES]
    return CheckResult(
        "funnel", layer, CheckStatus.FAIL, f"{told}: {where}.", max(wrong.values()), threshold=0, evidence=detail
    )


def _broken(evidence: Evidence, table: str) -> tuple[int, dict[str, int]]:
    """Return how many funnels *table* has, and how many break which rule."""
    [row] = evidence.engine.ask("funnel_order_violations", observed=table)
    counts = {name: int(str(value)) for name, value in row.items()}
    counts["page_views_with_two"] = len(evidence.engine.ask("page_views_with_two_funnels", observed=table))
    if not profile_of(evidence.manifest.generation).has("funnel_event_sequence_position"):
        # Events of this generation have no position; the order of a funnel follows from its times.
        counts["no_position"] = 0
    return counts["funnels"], {rule: counts[rule] for rule in _RULES if counts[rule]}


def _tell(rule: str, count: int, funnels: int) -> str:
    if rule in ("events_without_funnel", "page_views_with_two"):
        return f"{count:,} {_RULES[rule]}"
    return f"{count:,} of {funnels:,} funnels {_RULES[rule]}"
