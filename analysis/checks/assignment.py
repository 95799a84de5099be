"""Is every landed subject in the group that the contract gives it?"""

from analysis.run_model.load import Evidence
from analysis.verdict import CheckResult, CheckStatus, Layer
from common.sentences import agree, count_of

_EXAMPLES = 5


def check_assignment(evidence: Evidence) -> CheckResult:
    """Recompute the group of every landed subject; any difference is a failure.

    An alpha subject is the wiki's local user id and is hashed here; an xlab subject id is the hash itself. When the
    sent events have the right group, the difference came into the rows later and the layer is the table.
    """
    subjects = evidence.landed_subjects
    if not subjects["subjects"]:
        reason = "no landed event names its subject" if subjects["events"] else "no event of the experiment landed"
        return CheckResult(
            "assignment", Layer.ASSIGNMENT, CheckStatus.INCONCLUSIVE, f"Assignment cannot be checked: {reason}."
        )
    nameless = subjects["nameless_events"]
    counts = {"subjects": subjects["subjects"], "rows_without_subject": nameless}
    if not subjects["mismatches"]:
        summary = f"All {counts['subjects']:,} landed subjects are in the group that the contract gives them."
        if nameless:
            summary += f" {count_of(nameless, 'landed event')} without a subject cannot be checked."
        return CheckResult("assignment", Layer.ASSIGNMENT, CheckStatus.PASS, summary, evidence=counts)
    later = not evidence.sent_subjects["mismatches"]
    where = (
        ", though every event was sent with the right group: look between the intake and the table"
        if later
        else ": look at what the wiki hashes, and at the experiment's groups and sample rate there"
    )
    summary = (
        f"{subjects['wrong_subjects']:,} of {count_of(counts['subjects'], 'landed subject')} "
        f"({count_of(subjects['wrong_events'], 'event')}) {agree(subjects['wrong_subjects'], 'is', 'are')} not in "
        f"the group that the contract gives them{where}."
    )
    examples = evidence.engine.ask("group_mismatches", {"most": _EXAMPLES}, subjects="subjects_landed")
    wrong = subjects["mismatches"]
    detail = {**counts, "mismatches": wrong, "events": subjects["wrong_events"], "examples": examples}
    layer = Layer.TABLE if later else Layer.ASSIGNMENT
    return CheckResult("assignment", layer, CheckStatus.FAIL, summary, wrong, threshold=0, evidence=detail)
