"""Check the order of funnels: one impression, then clicks, numbered from 1; one funnel per start of the instrument."""

from analysis.run_model.load import Evidence
from analysis.verdict import CheckResult, CheckStatus, Layer
from common.sentences import agree, count_of
from contracts.profiles import profile_of

_EXAMPLES = 5

_RULES = {
    "click_without_impression": "a click and no impression",
    "impression_twice": "more than one impression",
    "no_position": "events without a position",
    "position_twice": "a position twice",
    "position_missing": "a gap in their positions, or do not begin at 1",
    "click_before_impression": "a click before their impression",
    "events_without_funnel": "no funnel token",
    "page_views_with_two": "more than one funnel: the instrument was started twice",
}

#: What the rules that are not about funnels count.
_NOUNS = {"events_without_funnel": "event", "page_views_with_two": "page view"}


def check_funnel(evidence: Evidence) -> CheckResult:
    """Find funnels that are out of order: in the sent events first, then in changed funnels that landed whole."""
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
        reason = "No event of the instrument was sent, so there is no funnel."
        return CheckResult("funnel", Layer.INSTRUMENT, CheckStatus.INCONCLUSIVE, reason, evidence=detail, matters=False)
    if not wrong:
        summary = f"All {count_of(funnels, 'funnel')} are in order."
        return CheckResult("funnel", Layer.INSTRUMENT, CheckStatus.PASS, summary, 0, threshold=0, evidence=detail)
    problems = "; ".join(_sentence(rule, count, funnels) for rule, count in wrong.items())
    where = ": look at the instrument" if sent else ", though they were sent in order: look at what rewrites rows"
    layer = Layer.INSTRUMENT if sent else Layer.TABLE
    if "page_views_with_two" in wrong:
        table = "sent_content" if sent else "observed_changed"
        detail["examples"] = evidence.engine.ask("page_views_with_two_funnels", observed=table)[:_EXAMPLES]
    return CheckResult(
        "funnel", layer, CheckStatus.FAIL, f"{problems}{where}.", max(wrong.values()), threshold=0, evidence=detail
    )


def _broken(evidence: Evidence, table: str) -> tuple[int, dict[str, int]]:
    """Return the number of funnels of *table*, and the number that break each rule."""
    [row] = evidence.engine.ask("funnel_order_violations", observed=table)
    counts = {name: int(str(value)) for name, value in row.items()}
    counts["page_views_with_two"] = len(evidence.engine.ask("page_views_with_two_funnels", observed=table))
    if not profile_of(evidence.manifest.generation).has("funnel_event_sequence_position"):
        # This generation has no position; the order of a funnel follows from its times.
        counts["no_position"] = 0
    return counts["funnels"], {rule: counts[rule] for rule in _RULES if counts[rule]}


def _sentence(rule: str, count: int, funnels: int) -> str:
    part = count_of(count, _NOUNS[rule]) if rule in _NOUNS else f"{count:,} of {count_of(funnels, 'funnel')}"
    return f"{part} {agree(count, 'has', 'have')} {_RULES[rule]}"
