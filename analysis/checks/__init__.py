"""The checks of a run: what each is called, which layer it looks at, what it asks, and when it can be asked."""

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from analysis.checks.assignment import check_assignment
from analysis.checks.configs import check_configs
from analysis.checks.delivery import (
    check_corrupted,
    check_duplicated,
    check_indeterminate,
    check_invalid,
    check_late,
    check_lost,
    check_unexpected,
)
from analysis.checks.effect import check_effect
from analysis.checks.events import check_attributes, check_names, check_schema, check_stream
from analysis.checks.funnel import check_funnel
from analysis.checks.generator import check_completeness, check_lag, check_records
from analysis.checks.ratio import check_sample_rate, check_sample_ratio, check_segments
from analysis.checks.sampling import check_overrides, check_stream_sampling
from analysis.checks.scenarios import check_scenarios
from analysis.checks.subjects import (
    check_independence,
    check_sampled_out,
    check_stickiness,
    check_subject_ids,
    check_uniformity,
)
from analysis.checks.times import check_active, check_partitions, check_times
from analysis.checks.transit import check_canaries, check_freshness, check_replayed, check_silences
from analysis.checks.wiki import check_instrument, check_wiki_assignment
from analysis.evidence import Evidence
from analysis.results import CheckResult, Layer
from run_record.roster import Fidelity


class Asked(Enum):
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
        name: as in results, in `docs/checks.md` and in reports.
        layer: that it looks at first; its result may name another, when that is where the fault came in.
        question: that it answers.
        judge: answers it.
        asked: when.
    """

    name: str
    layer: Layer
    question: str
    judge: Callable[[Evidence], CheckResult]
    asked: Asked = Asked.ALWAYS


CHECKS: tuple[Check, ...] = (
    Check("wiki-assignment", Layer.ASSIGNMENT, "Did the wiki tell every account the group that the contract gives it?",
          check_wiki_assignment, Asked.WIKI_QUIET_TOO),
    Check("instrument", Layer.INSTRUMENT, "Did every page view make the events that it should, and no others?",
          check_instrument, Asked.WIKI),
    Check("scenarios", Layer.INSTRUMENT, "Was everything that the scenarios looked at as it should be?",
          check_scenarios, Asked.BROWSER),
    Check("configs", Layer.CONFIG, "By the contract, do the configs let the client make valid events?", check_configs,
          Asked.QUIET_TOO),
    Check("active", Layer.CONFIG, "Was the experiment on whenever an event was sent?", check_active),
    Check("assignment", Layer.ASSIGNMENT, "Is every landed subject in the group that the contract gives it?",
          check_assignment),
    Check("stickiness", Layer.ASSIGNMENT, "Is every subject in one group throughout?", check_stickiness),
    Check("sampled-out", Layer.ASSIGNMENT, "Does nobody outside the sample have events of the experiment?",
          check_sampled_out),
    Check("sample-rate", Layer.ASSIGNMENT, "Are as many subjects in the sample as the wiki's rate has it?",
          check_sample_rate, Asked.NATURAL),
    Check("uniformity", Layer.ASSIGNMENT, "Are the subjects' hashes spread evenly?", check_uniformity, Asked.NATURAL),
    Check("independence", Layer.ASSIGNMENT, "Are the groups of every two experiments independent?", check_independence),
    Check("overrides", Layer.EXPOSURE, "Is nobody counted who chose a group by hand?", check_overrides, Asked.WIKI),
    Check("sample-ratio", Layer.EXPOSURE, "Are there as many subjects in each group as expected, at every stage?",
          check_sample_ratio, Asked.NATURAL),
    Check("segments", Layer.EXPOSURE, "Is the sample ratio as expected in every segment?",
          check_segments, Asked.NATURAL),
    Check("effect", Layer.EXPOSURE, "Does the pipeline make, or hide, a difference between the groups?",
          check_effect, Asked.NATURAL),
    Check("funnel", Layer.INSTRUMENT, "Are funnels in order: an impression, then clicks, numbered from 1?",
          check_funnel),
    Check("names", Layer.INSTRUMENT, "Do events name the instrument, element, schema and wiki that are configured?",
          check_names),
    Check("attributes", Layer.INSTRUMENT, "Do events carry the contextual attributes asked for, and no others?",
          check_attributes),
    Check("subject-ids", Layer.INSTRUMENT, "Are subject ids filled in, and as many as there are readers?",
          check_subject_ids),
    Check("times", Layer.INSTRUMENT, "Are the clients' times and the intake's where they can be?", check_times),
    Check("invalid", Layer.INSTRUMENT, "Did the intake accept every event?", check_invalid),
    Check("stream-sampling", Layer.TRANSPORT, "Is nothing sampled on top of the experiment's own sampling?",
          check_stream_sampling),
    Check("indeterminate", Layer.TRANSPORT, "Is it known of nearly every event what became of it?",
          check_indeterminate),
    Check("silences", Layer.INTAKE, "Was there no stretch of time from which nothing landed?", check_silences),
    Check("stream", Layer.STREAM, "Are events in the stream that the instrument is configured for?", check_stream),
    Check("duplicated", Layer.STREAM, "Did every event land once only?", check_duplicated),
    Check("replayed", Layer.STREAM, "Did no event land again under another id?", check_replayed),
    Check("lost", Layer.TABLE, "Did every acknowledged event land?", check_lost),
    Check("corrupted", Layer.TABLE, "Does every row hold what was sent?", check_corrupted),
    Check("unexpected", Layer.TABLE, "Does no row claim this experiment that was not sent?",
          check_unexpected, Asked.QUIET_TOO),
    Check("schema", Layer.TABLE, "Do rows fit the schema that they name?", check_schema),
    Check("canaries", Layer.TABLE, "Are canary events kept out of the table?", check_canaries),
    Check("partitions", Layer.TABLE, "Is every row in the partition of its hour?", check_partitions),
    Check("late", Layer.TABLE, "Did every row land within the promised time?", check_late),
    Check("freshness", Layer.TABLE, "Could every row be read within the promised time?", check_freshness),
    Check("completeness", Layer.GENERATOR, "Did the generator offer every event of the plan, once?",
          check_completeness),
    Check("lag", Layer.GENERATOR, "Did requests leave at their intended times?", check_lag),
    Check("records", Layer.GENERATOR, "Could everything that was recorded be read?", check_records, Asked.QUIET_TOO),
)  # fmt: skip


def checks_of(evidence: Evidence) -> tuple[Check, ...]:
    """Return the checks that the run of *evidence* can be asked."""
    fidelities = evidence.manifest.fidelities
    on_wiki = any(fidelity is not Fidelity.SYNTHETIC for fidelity in fidelities)
    if nobody_enrolled(evidence):
        asked = {Asked.QUIET_TOO, *([Asked.BROWSER] if evidence.findings else [])}
    elif _is_quiet(evidence):
        asked = {Asked.QUIET_TOO, Asked.BROWSER, *([Asked.WIKI_QUIET_TOO] if evidence.page_views else [])}
    else:
        asked = {Asked.ALWAYS, Asked.QUIET_TOO}
        asked |= {Asked.WIKI, Asked.WIKI_QUIET_TOO} if on_wiki else set()
        asked |= {Asked.BROWSER} if Fidelity.BROWSER in fidelities else set()
        asked |= {Asked.NATURAL} if not evidence.participants.chosen.all() else set()
    return tuple(check for check in CHECKS if check.asked in asked)


def nobody_enrolled(evidence: Evidence) -> bool:
    """Return whether the sample rate is 0, so that nothing was to be sent, and nothing was."""
    return not evidence.plan.rate and not evidence.made.planned and not len(evidence.ledger.visit)


def _is_quiet(evidence: Evidence) -> bool:
    """Return whether scenarios were played that look at other things than events, and rightly sent none."""
    only_browsers = evidence.manifest.fidelities == (Fidelity.BROWSER,)
    due = any(any(view.expected.values()) for view in evidence.page_views)
    return only_browsers and bool(evidence.findings) and not due and not len(evidence.ledger.visit)
