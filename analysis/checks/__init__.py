"""Registry of the checks: name, layer, question, function, and the runs that each applies to.

A function is imported when its check runs, so listing the checks needs neither a database nor statistics.
"""

from enum import Enum
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from analysis.verdict import CheckResult, Layer
from run_record.roster import Fidelity

if TYPE_CHECKING:
    from analysis.run_model.load import Evidence


class Applies(Enum):
    """Runs that a check applies to."""

    ALWAYS = "always"
    #: All runs, also those without an event that was due or sent.
    QUIET_TOO = "quiet too"
    #: Runs with subjects that were not chosen for their group.
    NATURAL = "natural"
    #: Runs with sessions on the wiki.
    WIKI = "wiki"
    #: Runs with sessions on the wiki, also when their pages had no event to send.
    WIKI_QUIET_TOO = "wiki, quiet too"
    #: Runs with browsers.
    BROWSER = "browser"


class Check(NamedTuple):
    """One check.

    Attributes:
        name: name in results, in `docs/reference/checks.md` and in reports.
        layer: layer that it examines first; its result names another when the fault came in there.
        question: question that a pass answers with yes.
        function: function that answers it, as `module:name` in this package; imported when the check runs.
        applies: runs that it applies to.
    """

    name: str
    layer: Layer
    question: str
    function: str
    applies: Applies = Applies.ALWAYS

    def judge(self, evidence: "Evidence") -> "CheckResult":
        """Answer the question from *evidence*."""
        module, _, name = self.function.partition(":")
        result: CheckResult = getattr(import_module(f"analysis.checks.{module}"), name)(evidence)
        return result


CHECKS: tuple[Check, ...] = (
    Check("wiki-assignment", Layer.ASSIGNMENT, "Did the wiki give every account the contract's group?",
          "wiki:check_wiki_assignment", Applies.WIKI_QUIET_TOO),
    Check("instrument", Layer.INSTRUMENT, "Did every page view send exactly the events that it should?",
          "wiki:check_instrument", Applies.WIKI),
    Check("scenarios", Layer.INSTRUMENT, "Are all findings of the scenarios as expected?",
          "scenarios:check_scenarios", Applies.BROWSER),
    Check("configs", Layer.CONFIG, "Do the configs let the client make valid events?",
          "configs:check_configs",
          Applies.QUIET_TOO),
    Check("active", Layer.CONFIG, "Was the experiment active whenever an event was sent?", "times:check_active"),
    Check("assignment", Layer.ASSIGNMENT, "Is every landed subject in the group that the contract gives it?",
          "assignment:check_assignment"),
    Check("stickiness", Layer.ASSIGNMENT, "Is every subject in one group throughout?", "subjects:check_stickiness"),
    Check("sampled-out", Layer.ASSIGNMENT, "Do only sampled subjects have events of the experiment?",
          "subjects:check_sampled_out"),
    Check("sample-rate", Layer.ASSIGNMENT, "Does the share of sampled subjects match the wiki's sample rate?",
          "ratio:check_sample_rate", Applies.NATURAL),
    Check("uniformity", Layer.ASSIGNMENT, "Are the subjects' hashes spread evenly?",
          "subjects:check_uniformity", Applies.NATURAL),
    Check("independence", Layer.ASSIGNMENT, "Are the groups of every two experiments independent?",
          "subjects:check_independence"),
    Check("overrides", Layer.EXPOSURE, "Are subjects that chose their group by an override left out?",
          "sampling:check_overrides", Applies.WIKI),
    Check("sample-ratio", Layer.EXPOSURE, "Does every group have its expected share of subjects at every stage?",
          "ratio:check_sample_ratio", Applies.NATURAL),
    Check("segments", Layer.EXPOSURE, "Does every segment have the expected sample ratio?",
          "ratio:check_segments", Applies.NATURAL),
    Check("effect", Layer.EXPOSURE, "Does the table show the difference between the groups that was sent?",
          "effect:check_effect", Applies.NATURAL),
    Check("funnel", Layer.INSTRUMENT, "Are funnels in order: an impression, then clicks, numbered from 1?",
          "funnel:check_funnel"),
    Check("names", Layer.INSTRUMENT, "Do events name the configured instrument, element, schema and wiki?",
          "event_content:check_names"),
    Check("attributes", Layer.INSTRUMENT, "Do events carry exactly the contextual attributes that the stream requests?",
          "event_content:check_attributes"),
    Check("subject-ids", Layer.INSTRUMENT, "Are subject ids well formed, with an id for each subject?",
          "subjects:check_subject_ids"),
    Check("times", Layer.INSTRUMENT, "Are the times of clients and intake plausible?", "times:check_times"),
    Check("invalid", Layer.INSTRUMENT, "Did the intake accept every event?", "delivery:check_invalid"),
    Check("stream-sampling", Layer.TRANSPORT, "Does the stream send every event of the sampled subjects?",
          "sampling:check_stream_sampling"),
    Check("indeterminate", Layer.TRANSPORT, "Is the outcome of at least 99 % of the events known?",
          "delivery:check_indeterminate"),
    Check("silences", Layer.INTAKE, "Did events from every period of the run land?",
          "stream:check_silences"),
    Check("stream", Layer.STREAM, "Are all events in the instrument's stream?",
          "event_content:check_stream"),
    Check("duplicated", Layer.STREAM, "Did every event land only once?", "delivery:check_duplicated"),
    Check("replayed", Layer.STREAM, "Did every event land only under its sent id?", "stream:check_replayed"),
    Check("lost", Layer.TABLE, "Did every acknowledged event land?", "delivery:check_lost"),
    Check("corrupted", Layer.TABLE, "Does every row hold what was sent?", "delivery:check_corrupted"),
    Check("unexpected", Layer.TABLE, "Was every row that claims this experiment sent?",
          "delivery:check_unexpected", Applies.QUIET_TOO),
    Check("schema", Layer.TABLE, "Do rows fit the schema that they name?", "event_content:check_schema"),
    Check("canaries", Layer.TABLE, "Are canary events kept out of the table?", "stream:check_canaries"),
    Check("partitions", Layer.TABLE, "Is every row in the partition of its hour?", "times:check_partitions"),
    Check("late", Layer.TABLE, "Did every row land within the promised time?", "delivery:check_late"),
    Check("freshness", Layer.TABLE, "Could every row be read within the promised time?", "stream:check_freshness"),
    Check("completeness", Layer.GENERATOR, "Did the generator offer every planned event once?",
          "generator:check_completeness"),
    Check("lag", Layer.GENERATOR, "Did requests leave at their intended times?", "generator:check_lag"),
    Check("records", Layer.GENERATOR, "Was every recorded line read?",
          "generator:check_records", Applies.QUIET_TOO),
)  # fmt: skip


def checks_of(evidence: "Evidence") -> tuple[Check, ...]:
    """Return the checks that apply to the run of *evidence*."""
    fidelities = evidence.manifest.fidelities
    on_wiki = any(fidelity is not Fidelity.SYNTHETIC for fidelity in fidelities)
    if nobody_enrolled(evidence):
        kinds = {Applies.QUIET_TOO, *([Applies.BROWSER] if evidence.findings else [])}
    elif _is_quiet(evidence):
        kinds = {Applies.QUIET_TOO, Applies.BROWSER, *([Applies.WIKI_QUIET_TOO] if evidence.page_views else [])}
    else:
        kinds = {Applies.ALWAYS, Applies.QUIET_TOO}
        kinds |= {Applies.WIKI, Applies.WIKI_QUIET_TOO} if on_wiki else set()
        kinds |= {Applies.BROWSER} if Fidelity.BROWSER in fidelities else set()
        kinds |= {Applies.NATURAL} if not evidence.participants.chosen.all() else set()
    return tuple(check for check in CHECKS if check.applies in kinds)


def nobody_enrolled(evidence: "Evidence") -> bool:
    """Return whether the sample rate is 0, so that no event was due or sent."""
    return not evidence.plan.rate and not evidence.made.planned and not len(evidence.ledger.visit)


def _is_quiet(evidence: "Evidence") -> bool:
    """Return whether only scenarios were played, with findings, and no event was due or sent."""
    only_browsers = evidence.manifest.fidelities == (Fidelity.BROWSER,)
    due = any(any(view.expected.values()) for view in evidence.page_views)
    return only_browsers and bool(evidence.findings) and not due and not len(evidence.ledger.visit)
