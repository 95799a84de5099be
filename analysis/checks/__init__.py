"""The checks of a run: what each is called, which layer it looks at, what it asks, and when it can be asked.

The functions are imported when they are called, so that listing the checks needs neither a database nor statistics.
"""

from enum import Enum
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from analysis.verdict import CheckResult, Layer
from run_record.roster import Fidelity

if TYPE_CHECKING:
    from analysis.run_model.load import Evidence


class Applies(Enum):
    """When a check is asked."""

    ALWAYS = "always"
    #: Also when nothing was to be sent, and nothing was.
    QUIET_TOO = "quiet too"
    #: When subjects took part that were not chosen for their group.
    NATURAL = "natural"
    #: When sessions on the wiki were part of the run.
    WIKI = "wiki"
    #: Likewise, and also when they read pages and were to send nothing.
    WIKI_QUIET_TOO = "wiki, quiet too"
    #: When browsers were part of the run.
    BROWSER = "browser"


class Check(NamedTuple):
    """One check.

    Attributes:
        name: as in results, in `docs/reference/checks.md` and in reports.
        layer: that it looks at first; its result may name another, when that is where the fault came in.
        question: that it answers.
        function: that answers it, as `module:name` in this package; imported when the check is asked.
        asked: when.
    """

    name: str
    layer: Layer
    question: str
    function: str
    asked: Applies = Applies.ALWAYS

    def judge(self, evidence: "Evidence") -> "CheckResult":
        """Answer the question from *evidence*."""
        module, _, name = self.function.partition(":")
        answer: CheckResult = getattr(import_module(f"analysis.checks.{module}"), name)(evidence)
        return answer


CHECKS: tuple[Check, ...] = (
    Check("wiki-assignment", Layer.ASSIGNMENT, "Did the wiki tell every account the group that the contract gives it?",
          "wiki:check_wiki_assignment", Applies.WIKI_QUIET_TOO),
    Check("instrument", Layer.INSTRUMENT, "Did every page view make the events that it should, and no others?",
          "wiki:check_instrument", Applies.WIKI),
    Check("scenarios", Layer.INSTRUMENT, "Was everything that the scenarios looked at as it should be?",
          "scenarios:check_scenarios", Applies.BROWSER),
    Check("configs", Layer.CONFIG, "By the contract, do the configs let the client make valid events?",
          "configs:check_configs",
          Applies.QUIET_TOO),
    Check("active", Layer.CONFIG, "Was the experiment on whenever an event was sent?", "times:check_active"),
    Check("assignment", Layer.ASSIGNMENT, "Is every landed subject in the group that the contract gives it?",
          "assignment:check_assignment"),
    Check("stickiness", Layer.ASSIGNMENT, "Is every subject in one group throughout?", "subjects:check_stickiness"),
    Check("sampled-out", Layer.ASSIGNMENT, "Does nobody outside the sample have events of the experiment?",
          "subjects:check_sampled_out"),
    Check("sample-rate", Layer.ASSIGNMENT, "Are as many subjects in the sample as the wiki's rate has it?",
          "ratio:check_sample_rate", Applies.NATURAL),
    Check("uniformity", Layer.ASSIGNMENT, "Are the subjects' hashes spread evenly?",
          "subjects:check_uniformity", Applies.NATURAL),
    Check("independence", Layer.ASSIGNMENT, "Are the groups of every two experiments independent?",
          "subjects:check_independence"),
    Check("overrides", Layer.EXPOSURE, "Is nobody counted who chose a group by hand?",
          "sampling:check_overrides", Applies.WIKI),
    Check("sample-ratio", Layer.EXPOSURE, "Are there as many subjects in each group as expected, at every stage?",
          "ratio:check_sample_ratio", Applies.NATURAL),
    Check("segments", Layer.EXPOSURE, "Is the sample ratio as expected in every segment?",
          "ratio:check_segments", Applies.NATURAL),
    Check("effect", Layer.EXPOSURE, "Does the pipeline make, or hide, a difference between the groups?",
          "effect:check_effect", Applies.NATURAL),
    Check("funnel", Layer.INSTRUMENT, "Are funnels in order: an impression, then clicks, numbered from 1?",
          "funnel:check_funnel"),
    Check("names", Layer.INSTRUMENT, "Do events name the instrument, element, schema and wiki that are configured?",
          "event_content:check_names"),
    Check("attributes", Layer.INSTRUMENT, "Do events carry the contextual attributes asked for, and no others?",
          "event_content:check_attributes"),
    Check("subject-ids", Layer.INSTRUMENT, "Are subject ids filled in, and as many as there are readers?",
          "subjects:check_subject_ids"),
    Check("times", Layer.INSTRUMENT, "Are the clients' times and the intake's where they can be?", "times:check_times"),
    Check("invalid", Layer.INSTRUMENT, "Did the intake accept every event?", "delivery:check_invalid"),
    Check("stream-sampling", Layer.TRANSPORT, "Is nothing sampled on top of the experiment's own sampling?",
          "sampling:check_stream_sampling"),
    Check("indeterminate", Layer.TRANSPORT, "Is it known of nearly every event what became of it?",
          "delivery:check_indeterminate"),
    Check("silences", Layer.INTAKE, "Was there no stretch of time from which nothing landed?",
          "stream:check_silences"),
    Check("stream", Layer.STREAM, "Are events in the stream that the instrument is configured for?",
          "event_content:check_stream"),
    Check("duplicated", Layer.STREAM, "Did every event land once only?", "delivery:check_duplicated"),
    Check("replayed", Layer.STREAM, "Did no event land again under another id?", "stream:check_replayed"),
    Check("lost", Layer.TABLE, "Did every acknowledged event land?", "delivery:check_lost"),
    Check("corrupted", Layer.TABLE, "Does every row hold what was sent?", "delivery:check_corrupted"),
    Check("unexpected", Layer.TABLE, "Does no row claim this experiment that was not sent?",
          "delivery:check_unexpected", Applies.QUIET_TOO),
    Check("schema", Layer.TABLE, "Do rows fit the schema that they name?", "event_content:check_schema"),
    Check("canaries", Layer.TABLE, "Are canary events kept out of the table?", "stream:check_canaries"),
    Check("partitions", Layer.TABLE, "Is every row in the partition of its hour?", "times:check_partitions"),
    Check("late", Layer.TABLE, "Did every row land within the promised time?", "delivery:check_late"),
    Check("freshness", Layer.TABLE, "Could every row be read within the promised time?", "stream:check_freshness"),
    Check("completeness", Layer.GENERATOR, "Did the generator offer every event of the plan, once?",
          "generator:check_completeness"),
    Check("lag", Layer.GENERATOR, "Did requests leave at their intended times?", "generator:check_lag"),
    Check("records", Layer.GENERATOR, "Could everything that was recorded be read?",
          "generator:check_records", Applies.QUIET_TOO),
)  # fmt: skip


def checks_of(evidence: "Evidence") -> tuple[Check, ...]:
    """Return the checks that the run of *evidence* can be asked."""
    fidelities = evidence.manifest.fidelities
    on_wiki = any(fidelity is not Fidelity.SYNTHETIC for fidelity in fidelities)
    if nobody_enrolled(evidence):
        asked = {Applies.QUIET_TOO, *([Applies.BROWSER] if evidence.findings else [])}
    elif _is_quiet(evidence):
        asked = {Applies.QUIET_TOO, Applies.BROWSER, *([Applies.WIKI_QUIET_TOO] if evidence.page_views else [])}
    else:
        asked = {Applies.ALWAYS, Applies.QUIET_TOO}
        asked |= {Applies.WIKI, Applies.WIKI_QUIET_TOO} if on_wiki else set()
        asked |= {Applies.BROWSER} if Fidelity.BROWSER in fidelities else set()
        asked |= {Applies.NATURAL} if not evidence.participants.chosen.all() else set()
    return tuple(check for check in CHECKS if check.asked in asked)


def nobody_enrolled(evidence: "Evidence") -> bool:
    """Return whether the sample rate is 0, so that nothing was to be sent, and nothing was."""
    return not evidence.plan.rate and not evidence.planned_totals.planned and not len(evidence.ledger.visit)


def _is_quiet(evidence: "Evidence") -> bool:
    """Return whether scenarios were played that look at other things than events, and rightly sent none."""
    only_browsers = evidence.manifest.fidelities == (Fidelity.BROWSER,)
    due = any(any(view.expected.values()) for view in evidence.page_views)
    return only_browsers and bool(evidence.findings) and not due and not len(evidence.ledger.visit)
