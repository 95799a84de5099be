"""Is every landed subject in the group that the contract gives it?"""

from analysis.run_model.load import Evidence
from analysis.verdict import CheckResult, CheckStatus, Layer

_EXAMPLES = 5


def check_assignment(evidence: Evidence) -> CheckResult:
    """Recompute the group of every landed subject; any that differs is a failure.

    An alpha subject is the wiki's local user id and is hashed here; an xlab subject id is the hash itself. A
    difference that the sent events do not have came into the rows later, so its layer is the table.
    """
    found = evidence.landed_subjects
    if not found["subjects"]:
        why = "no landed event names its subject" if found["events"] else "no event of the experiment landed"
        return CheckResult(
            "assignment", Layer.ASSIGNMENT, CheckStatus.INCONCLUSIVE, f"Assignment cannot be checked: {why}."
        )
    nameless = found["nameless_events"]
    counts = {"subjects": found["subjects"], "rows_without_subject": nameless}
    if not found["mismatches"]:
        summary = f"All {counts['subjects']:,} landed subjects are in the group that the contract gives them."
        if nameless:
            summary += f" {nameless:,} landed events name no subject, so theirs is not known."
        return CheckResult("assignment", Layer.ASSIGNMENT, CheckStatus.PASS, summary, evidence=counts)
    later = not evidence.sent_subjects["mismatches"]
    where = (
        "though all that was sent had the right group: look between the intake and the table"
        if later
        else "look at what the wiki hashes, and at the experiment's groups and rate there"
    )
    summary = (
        f"{found['wrong_subjects']:,} of {counts['subjects']:,} landed subjects ({found['wrong_events']:,} events) "
        f"are in another group than the contract gives them, {where}."
    )
    examples = evidence.engine.ask("group_mismatches", {"most": _EXAMPLES}, subjects="subjects_landed")
    wrong = found["mismatches"]
    detail = {**counts, "mismatches": wrong, "events": found["wrong_events"], "examples": examples}
    layer = Layer.TABLE if later else Layer.ASSIGNMENT
    return CheckResult("assignment", layer, CheckStatus.FAIL, summary, wrong, threshold=0, evidence=detail)
