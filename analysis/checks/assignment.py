"""Is every landed subject in the group that the contract gives it?"""

from collections.abc import Sequence

from analysis.evidence import Evidence
from analysis.results import CheckResult, Layer, Outcome
from analysis.seen import Seen

_EXAMPLES = 5


def check_assignment(evidence: Evidence) -> CheckResult:
    """Recompute the group of every landed subject; any that differs is a failure.

    An alpha subject is the wiki's local user id and is hashed here; an xlab subject id is the hash itself. A
    difference that the sent events do not have came into the rows later, so its layer is the table.
    """
    landed = evidence.seen_landed
    named = [seen for seen in landed if seen.subject]
    nameless = sum(seen.events for seen in landed if not seen.subject)
    if not named:
        why = "no landed event names its subject" if nameless else "no event of the experiment landed"
        return CheckResult(
            "assignment", Layer.ASSIGNMENT, Outcome.INCONCLUSIVE, f"Assignment cannot be checked: {why}."
        )
    wrong = _wrong(named)
    counts = {"subjects": len({seen.subject for seen in named}), "rows_without_subject": nameless}
    if not wrong:
        summary = f"All {counts['subjects']:,} landed subjects are in the group that the contract gives them."
        if nameless:
            summary += f" {nameless:,} landed events name no subject, so theirs is not known."
        return CheckResult("assignment", Layer.ASSIGNMENT, Outcome.PASS, summary, evidence=counts)
    later = not _wrong(evidence.seen_sent)
    events = sum(seen.events for seen in wrong)
    where = (
        "though all that was sent had the right group: look between the intake and the table"
        if later
        else "look at what the wiki hashes, and at the experiment's groups and rate there"
    )
    summary = (
        f"{len({seen.subject for seen in wrong}):,} of {counts['subjects']:,} landed subjects ({events:,} events) "
        f"are in another group than the contract gives them, {where}."
    )
    examples = [seen._asdict() for seen in wrong[:_EXAMPLES]]
    detail = {**counts, "mismatches": len(wrong), "events": events, "examples": examples}
    layer = Layer.TABLE if later else Layer.ASSIGNMENT
    return CheckResult("assignment", layer, Outcome.FAIL, summary, len(wrong), threshold=0, evidence=detail)


def _wrong(landed: Sequence[Seen]) -> list[Seen]:
    """Return those in another group than the contract's. Who should not be enrolled is wrong in any group, or none."""
    return [seen for seen in landed if seen.subject and (seen.expected is None or seen.group != seen.expected)]
