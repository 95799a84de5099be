"""What the checks of delivery make of given counts: every number, word and layer, to the letter.

The counts are given here as the queries would answer them; that the queries count right is tested on runs, elsewhere.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

import orjson
import pytest

from analysis.checks import delivery
from analysis.run_model.load import Evidence
from analysis.run_model.sent_validity import UnacceptableEvents
from analysis.summaries.loss_location import LossLocation
from analysis.verdict import CheckResult, CheckStatus, Layer
from contracts.assignment import Generation
from run_record.platform_state import PlatformAnswers
from tests.plans import plan

UNKNOWN = LossLocation(known=False)

Rows = Sequence[Mapping[str, object]]

VALID = next(plan(Generation.ALPHA).events(0, 100)).body


ALL_ACCEPTABLE = UnacceptableEvents(0, "", 0, 0)


@dataclass
class Given:
    """Evidence whose answers are given.

    Attributes:
        fates: rows of (group, fate, events).
        answers: rows of the other queries, by name; none when not given.
        asked: the queries that were asked, with their values.
    """

    counted: Sequence[tuple[str, str, int]] = ()
    answers: Mapping[str, Rows] = field(default_factory=dict)
    delivery_layer: Layer = Layer.TABLE
    hasty: bool = False
    loss_location: LossLocation = UNKNOWN
    duplicates: Rows = ()
    unexpected: Rows = ()
    deadline_s: int = 10_800
    bodies: Sequence[bytes] = ()
    unacceptable: UnacceptableEvents = ALL_ACCEPTABLE
    platform: PlatformAnswers = field(default_factory=PlatformAnswers)
    other_runs: Mapping[str, int] = field(default_factory=dict)
    asked: list[tuple[str, object]] = field(default_factory=list)

    @property
    def fates(self) -> Rows:
        return [{"group_name": group, "fate": fate, "events": events} for group, fate, events in self.counted]

    @property
    def engine(self) -> "Given":
        return self

    @property
    def time_buckets(self) -> tuple[()]:
        return ()

    @property
    def manifest(self) -> SimpleNamespace:
        return SimpleNamespace(deadline_s=self.deadline_s)

    @property
    def ledger(self) -> SimpleNamespace:
        return SimpleNamespace(visit=range(sum(events for *_, events in self.counted)))

    def ask(self, query: str, values: object = None) -> Rows:
        self.asked.append((query, values))
        return self.answers.get(query, ())

    def sent_bodies(self, query: str, most: int) -> Iterator[bytes]:
        self.asked.append((query, most))
        yield from self.bodies

    def evidence(self) -> Evidence:
        return cast(Evidence, self)


EXAMPLES: dict[str, Sequence[Mapping[str, object]]] = {"fate_examples": [{"visit": 3, "position": 0}]}


def segment(dimension: str, value: str, sent: int, lost: int, group: str = "true") -> dict[str, object]:
    counts = {"sent_subjects": sent, "landed_subjects": sent - lost, "sent_events": sent, "lost_events": lost}
    # Each subject sent one event.
    return {"dimension": dimension, "value": value, "group_name": group, **counts, "events_squared": sent}


def weight(what: str, subjects: int, events: int, squared: int) -> dict[str, object]:
    return {"what": what, "subjects": subjects, "events": events, "events_squared": squared}


def test_the_reconciliation_adds_up_what_each_group_met() -> None:
    counted = [
        ("a", "ok", 5), ("b", "ok", 7), ("a", "lost", 1), ("b", "late", 2), ("b", "corrupted", 3), ("a", "invalid", 4),
        ("a", "indeterminate", 6),
    ]  # fmt: skip
    given = Given(counted, duplicates=[{}, {}], unexpected=[{}, {}, {}])
    assert delivery.reconcile(given.evidence()) == {
        "offered": 28, "ok": 12, "lost": 1, "corrupted": 3, "indeterminate": 6, "invalid": 4, "late": 2,
        "duplicated": 2, "unexpected": 3,
    }  # fmt: skip


def test_nothing_sent_adds_up_to_nothing() -> None:
    assert set(delivery.reconcile(Given().evidence()).values()) == {0}
    assert tuple(delivery.reconcile(Given().evidence())) == ("offered", *delivery.FATES, "duplicated", "unexpected")


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (Layer.TABLE, "No event was lost between the intake's 201 and the table."),
        (Layer.INTAKE, "No event was lost between the intake's 202 and the table."),
    ],
)
def test_nothing_lost_passes_where_the_answer_promised_something(layer: Layer, said: str) -> None:
    given = Given([("a", "ok", 9)], delivery_layer=layer, hasty=layer is Layer.INTAKE)
    result = delivery.check_lost(given.evidence())
    assert result == CheckResult("lost", layer, CheckStatus.PASS, said, 0, threshold=0)


def test_what_one_group_lost_is_told_beside_what_the_others_did_not() -> None:
    given = Given(
        [("a", "ok", 1100), ("b", "ok", 1900), ("b", "lost", 100), ("c", "late", 5)],
        {
            "subjects_lost_entirely": [{"group_name": "b", "subjects": 1200}, {"group_name": "c", "subjects": 34}],
            **EXAMPLES,
        },
    )
    result = delivery.check_lost(given.evidence())
    assert (result.name, result.layer, result.verdict, result.statistic) == ("lost", Layer.TABLE, CheckStatus.FAIL, 100)
    assert result.threshold == 0
    assert result.summary == (
        "Between the intake's 201 and the table, group 'b' lost 5.00% of its events (100 of 2,000); 'a' and 'c' lost "
        "none. 1,234 subjects vanished altogether."
    )
    assert result.evidence == {
        "lost": 100,
        "by_group": {
            "a": {"events": 0, "of": 1100}, "b": {"events": 100, "of": 2000}, "c": {"events": 0, "of": 5},
        },
        "segments": [],
        "vanished_subjects": {"b": 1200, "c": 34},
        "last_seen": UNKNOWN._asdict(),
        "examples": EXAMPLES["fate_examples"],
    }  # fmt: skip
    assert ("fate_examples", {"fate": "lost", "most": 5}) in given.asked


def test_what_every_group_lost_is_told_of_each() -> None:
    given = Given([("a", "ok", 3), ("a", "lost", 1), ("b", "lost", 2), ("b", "ok", 2)], delivery_layer=Layer.INTAKE,
                  hasty=True)  # fmt: skip
    result = delivery.check_lost(given.evidence())
    assert result.layer is Layer.INTAKE
    assert result.summary == (
        "Between the intake's 202 and the table, group 'a' lost 25.00% of its events (1 of 4); group 'b' lost 50.00% "
        "of its events (2 of 4)."
    )


def test_the_segment_that_lost_most_is_named_and_the_group_is_no_segment() -> None:
    rows = [
        segment("fidelity", "synthetic", 2_000, 300, "b"), segment("fidelity", "synthetic", 2_000, 0, "a"),
        segment("skin", "minerva", 1_000, 300, "b"), segment("skin", "vector", 1_000, 0, "b"),
        segment("skin", "minerva", 1_000, 0, "a"), segment("skin", "vector", 1_000, 0, "a"),
    ]  # fmt: skip
    given = Given([("a", "ok", 2000), ("b", "ok", 1700), ("b", "lost", 300)], {"segments": rows})
    result = delivery.check_lost(given.evidence())
    assert result.summary.endswith(
        "; 'a' lost none. Most of it where skin is 'minerva': 15.00% there, 0.00% elsewhere."
    )
    message = result.evidence["segments"]
    assert isinstance(message, list)
    assert {(item["dimension"], item["value"]) for item in message} == {("group", "b"), ("skin", "minerva")}
    assert result.layer is Layer.TABLE


def test_of_many_segments_five_are_kept() -> None:
    rows = [row for number in range(8)
            for row in (segment(f"d{number}", "x", 1_000, 200), segment(f"d{number}", "y", 1_000, 0))]  # fmt: skip
    result = delivery.check_lost(Given([("b", "lost", 200), ("b", "ok", 1800)], {"segments": rows}).evidence())
    assert len(cast(list[object], result.evidence["segments"])) == 5


@pytest.mark.parametrize("heavy", [False, True])
def test_how_many_vanished_is_told_also_where_there_is_more_to_say(heavy: bool) -> None:
    rows = [segment("skin", "minerva", 1_000, 300), segment("skin", "vector", 1_000, 0)]
    answers = {"segments": rows, "subjects_lost_entirely": [{"group_name": "b", "subjects": 30}]}
    given = Given(
        [("b", "ok", 700), ("b", "lost", 300)], {**answers, **({"subjects_by_loss_extent": HEAVY} if heavy else {})}
    )
    more = "They had sent more events" if heavy else "Most of it where skin is 'minerva'"
    assert f" 30 subjects vanished altogether. {more}" in delivery.check_lost(given.evidence()).summary


HEAVY = [weight("vanished", 100, 1_000, 10_400), weight("untouched", 900, 2_700, 9_000)]


def test_a_filter_that_takes_the_busy_for_bots_is_told_from_any_other_loss() -> None:
    rows = [segment("skin", "minerva", 1_000, 300), segment("skin", "vector", 1_000, 0)]
    given = Given([("b", "ok", 700), ("b", "lost", 300)], {"subjects_by_loss_extent": HEAVY, "segments": rows},
                  delivery_layer=Layer.INTAKE)  # fmt: skip
    result = delivery.check_lost(given.evidence())
    assert result.layer is Layer.TABLE
    assert result.summary.endswith(
        "(300 of 1,000). They had sent more events than others: look for a filter that takes them for bots."
    )


@pytest.mark.parametrize(
    ("rows", "heavy"),
    [
        (HEAVY, True),
        # Somebody lost a part only: no filter of subjects.
        ([*HEAVY, weight("partial", 1, 2, 4)], False),
        # Nobody to be compared with.
        (HEAVY[:1], False),
        (HEAVY[1:], False),
        ([], False),
        # Half as many again exactly is not far more; a little more is.
        ([weight("vanished", 10_000, 15_000, 22_500), weight("untouched", 10_000, 10_000, 10_000)], False),
        ([weight("vanished", 10_000, 15_001, 22_503), weight("untouched", 10_000, 10_000, 10_000)], True),
        # Twice as many, but of two subjects that differ much: (1 + 3) / 2 with a standard error of 1.
        ([weight("vanished", 2, 4, 10), weight("untouched", 10_000, 10_000, 10_000)], False),
        # Four standard errors exactly are not enough: means 5 and 1, errors 1 and 0.
        ([weight("vanished", 2, 10, 52), weight("untouched", 10_000, 10_000, 10_000)], False),
        ([weight("vanished", 2, 10, 52), weight("untouched", 10_000, 9_999, 9_999)], True),
        # Both errors count: 1 and 1 make four times 1.41.
        ([weight("vanished", 2, 12, 74), weight("untouched", 2, 2, 4)], False),
        ([weight("vanished", 2, 14, 100), weight("untouched", 2, 2, 4)], True),
        # Three subjects, (6 - 1) apart with a standard error of 1; with Bessel's correction taken twice, 1.41.
        ([weight("vanished", 3, 18, 114), weight("untouched", 10_000, 10_000, 10_000)], True),
        # One subject has no spread.
        ([weight("vanished", 1, 9, 81), weight("untouched", 1, 2, 4)], True),
        # A mean whose square is not exact must not make a negative spread.
        ([weight("vanished", 3, 1, 0), weight("untouched", 10_000, 100, 100)], True),
    ],
)
def test_subjects_that_vanished_are_busy_when_far_busier_than_the_others(rows: Rows, heavy: bool) -> None:
    given = Given([("b", "ok", 700), ("b", "lost", 300)], {"subjects_by_loss_extent": rows})
    assert ("for bots" in delivery.check_lost(given.evidence()).summary) is heavy


def test_duplicates_are_counted_by_id_and_by_row() -> None:
    rows = [{"id": number, "copies": 2} for number in range(1_200)] + [{"id": "x", "copies": 4}]
    result = delivery.check_duplicated(Given(duplicates=rows).evidence())
    summary = "1,201 events landed more than once (1,203 rows too many): look at retries and at de-duplication."
    detail = {"duplicated": 1201, "rows_too_many": 1203, "examples": rows[:5]}
    assert result == CheckResult(
        "duplicated", Layer.STREAM, CheckStatus.FAIL, summary, 1201, threshold=0, evidence=detail
    )  # fmt: skip
    clean = delivery.check_duplicated(Given().evidence())
    assert clean == CheckResult("duplicated", Layer.STREAM, CheckStatus.PASS, "No event landed twice.", 0, threshold=0)


def test_what_was_rewritten_is_named_by_field() -> None:
    changed = {"page__title": 1_100, "performer__user__id": 7, "dt": 0}
    given = Given([("a", "ok", 900), ("a", "corrupted", 1_100)], {"corrupted_fields": [changed], **EXAMPLES})
    result = delivery.check_corrupted(given.evidence())
    summary = (
        "1,100 rows hold something else than was sent (page.title in 1,100, performer.user.id in 7): look at what "
        "rewrites rows after the intake."
    )
    detail = {
        "corrupted": 1_100, "fields": {"page.title": 1_100, "performer.user.id": 7},
        "by_group": {"a": {"events": 1_100, "of": 2_000}}, "examples": EXAMPLES["fate_examples"],
    }  # fmt: skip
    assert result == CheckResult(
        "corrupted", Layer.TABLE, CheckStatus.FAIL, summary, 1_100, threshold=0, evidence=detail
    )
    assert ("fate_examples", {"fate": "corrupted", "most": 5}) in given.asked
    clean = delivery.check_corrupted(Given([("a", "ok", 1)]).evidence())
    text = "Every row holds what was sent."
    assert clean == CheckResult("corrupted", Layer.TABLE, CheckStatus.PASS, text, 0, threshold=0)


def test_rows_that_nobody_sent_are_shown() -> None:
    rows = [{"id": number, "first_ms": None} for number in range(1_234)]
    result = delivery.check_unexpected(Given(unexpected=rows).evidence())
    summary = (
        "1,234 rows claim this experiment or instrument and were never sent: look for another sender, or ids that were "
        "changed."
    )
    detail = {"unexpected": 1234, "examples": rows[:5], "other_runs": {}}
    assert result == CheckResult(
        "unexpected", Layer.TABLE, CheckStatus.FAIL, summary, 1234, threshold=0, evidence=detail
    )
    clean = delivery.check_unexpected(Given().evidence())
    text = "No row claims this experiment that was not sent."
    nothing: dict[str, object] = {"other_runs": {}}
    assert clean == CheckResult("unexpected", Layer.TABLE, CheckStatus.PASS, text, 0, threshold=0, evidence=nothing)


REASONS: dict[str, Sequence[Mapping[str, object]]] = {
    "rejection_reasons": [{"reason": f"'.x{number}' no", "events": 1_000 - number} for number in range(7)],
    **EXAMPLES,
}


AT_THE_INTAKE = "at the intake and its log, for the schema allows what was sent"


def changed(**members: object) -> bytes:
    return orjson.dumps({**orjson.loads(VALID), **members})


@pytest.mark.parametrize(
    ("bodies", "layer", "where"),
    [
        ([VALID], Layer.INTAKE, AT_THE_INTAKE),
        ([], Layer.INTAKE, AT_THE_INTAKE),
        ([VALID, changed(action=7)], Layer.INSTRUMENT, "at what the client sends ('.action' should be string)"),
        (
            [changed(**{"$schema": "/no/such/1.0.0"})],
            Layer.INSTRUMENT,
            "at what the client sends (events name schema /no/such/1.0.0, which does not exist)",
        ),
        ([b"[]"], Layer.INSTRUMENT, "at what the client sends (not an object with a member meta)"),
        ([changed(meta="x")], Layer.INSTRUMENT, "at what the client sends (not an object with a member meta)"),
        # What the intake fills in need not have been sent, and what was sent in its place counts.
        ([changed(meta={"stream": "s"})], Layer.INTAKE, AT_THE_INTAKE),
        (
            [changed(meta={"stream": "s", "dt": "yesterday"})],
            Layer.INSTRUMENT,
            """at what the client sends ('.meta.dt' should match format "date-time")""",
        ),
    ],
)  # fmt: skip
def test_who_is_to_blame_for_a_refusal_is_found_by_validating_again(
    bodies: list[bytes], layer: Layer, where: str
) -> None:
    given = Given([("a", "ok", 1_021), ("a", "invalid", 6_979)], REASONS, bodies=bodies)
    result = delivery.check_invalid(given.evidence())
    assert (result.name, result.layer, result.verdict, result.statistic) == ("invalid", layer, CheckStatus.FAIL, 6_979)
    assert result.threshold == 0
    assert result.summary == (f"The intake refused 6,979 events (87.2%), most often because '.x0' no: look {where}.")
    assert result.evidence == {
        "invalid": 6_979, "reasons": REASONS["rejection_reasons"][:5], "examples": EXAMPLES["fate_examples"],
    }  # fmt: skip
    assert ("rejected_events", 200) in given.asked
    assert ("fate_examples", {"fate": "invalid", "most": 5}) in given.asked


def test_a_refusal_without_a_reason_and_without_a_ledger_is_told_as_well() -> None:
    result = delivery.check_invalid(Given((), {"rejection_reasons": [{"reason": "", "events": 2}]}).evidence())
    assert "The intake refused 2 events (200.0%), most often because it gave no reason: look" in result.summary
    clean = delivery.check_invalid(Given().evidence())
    summary = "The intake found no event invalid."
    assert clean == CheckResult("invalid", Layer.INSTRUMENT, CheckStatus.PASS, summary, 0, threshold=0)


@pytest.mark.parametrize(
    ("unknown", "verdict"), [(0, CheckStatus.PASS), (10, CheckStatus.PASS), (11, CheckStatus.INCONCLUSIVE)]
)  # fmt: skip
def test_up_to_one_in_a_hundred_may_be_unknown(unknown: int, verdict: CheckStatus) -> None:
    given = Given([("a", "ok", 2_000 - 1_000 - unknown), ("a", "indeterminate", unknown)], EXAMPLES)
    result = delivery.check_indeterminate(given.evidence())
    detail = {"indeterminate": unknown, "share": unknown / 1_000, "by_group": (), "examples": EXAMPLES["fate_examples"]}
    summary = f"{unknown} of 1,000 events were never answered and did not land."
    assert result == CheckResult(
        "indeterminate", Layer.TRANSPORT, verdict, summary, unknown / 1_000, 1.0, 0.01, evidence=detail
    )
    assert ("fate_examples", {"fate": "indeterminate", "most": 5}) in given.asked


def test_thousands_that_are_unknown_are_written_so_that_they_can_be_read() -> None:
    result = delivery.check_indeterminate(Given([("a", "indeterminate", 4_000)]).evidence())
    assert result.summary == "4,000 of 4,000 events were never answered and did not land."


def unanswered(group: str, subjects: int, hit: int, events: int, sent: int) -> dict[str, object]:
    return {"group_name": group, "subjects": subjects, "hit": hit, "events": events, "sent_events": sent}


def test_answers_that_are_missing_in_one_group_only_are_a_failure_however_few() -> None:
    rows = [unanswered("a", 4_000, 0, 0, 9_000), unanswered("b", 4_000, 40, 50, 10_000)]
    given = Given(
        [("a", "ok", 9_000), ("b", "ok", 9_950), ("b", "indeterminate", 50)], {"indeterminate_by_group": rows}
    )
    result = delivery.check_indeterminate(given.evidence())
    assert (result.verdict, result.layer) == (CheckStatus.FAIL, Layer.TRANSPORT)
    assert result.p_value is not None
    assert result.p_value < 0.001
    assert result.summary == (
        "Between the client and the intake, group 'b' lost 0.50% of its events (50 of 10,000); group 'a' lost none: no "
        "answer came, and they did not land."
    )
    alike = [unanswered("a", 4_000, 20, 25, 9_000), unanswered("b", 4_000, 20, 25, 10_000)]
    given = Given([("a", "ok", 19_950), ("b", "indeterminate", 50)], {"indeterminate_by_group": alike})
    assert delivery.check_indeterminate(given.evidence()).verdict is CheckStatus.PASS


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (UNKNOWN, ""),
        (UNKNOWN._replace(behind=1_200), " 1,200 are in the stream and not in the table: look at ingestion."),
        (
            UNKNOWN._replace(behind=1_200, hours=("2025-01-31T14", "2025-01-31T15", "2025-01-31T16", "2025-01-31T17")),
            " 1,200 are in the stream, and nothing of their hours is in the table: look whether the partition of "
            "2025-01-31T14:00 UTC, 2025-01-31T15:00 UTC, 2025-01-31T16:00 UTC has come.",
        ),
        (
            UNKNOWN._replace(behind=1, elsewhere={"x": 1, "y": 2}),
            " 1 are in the stream and not in the table: look at ingestion; 3 are in another stream (x, y).",
        ),
        (UNKNOWN._replace(nowhere=5, known=False), ""),
        (
            UNKNOWN._replace(nowhere=5_000, known=True),
            " 5,000 are in no stream: look at the intake, which acknowledged them.",
        ),
    ],
)
def test_where_lost_events_were_seen_last_is_told(found: LossLocation, said: str) -> None:
    given = Given([("b", "ok", 700), ("b", "lost", 300)], loss_location=found)
    assert delivery.check_lost(given.evidence()).summary.endswith(f"(300 of 1,000).{said}")


def test_of_nothing_nothing_is_known() -> None:
    result = delivery.check_indeterminate(Given().evidence())
    assert (result.verdict, result.statistic) == (CheckStatus.INCONCLUSIVE, 0)
    assert result.summary == "Nothing was sent, so nothing is known."


def test_rows_after_the_deadline_are_late() -> None:
    given = Given([("a", "ok", 10), ("a", "late", 1_000), ("b", "late", 500)], EXAMPLES, deadline_s=5_400)
    result = delivery.check_late(given.evidence())
    summary = "1,500 rows arrived more than 1.5 hours after their event: look at clocks and at queues."
    detail = {"late": 1_500, "examples": EXAMPLES["fate_examples"]}
    assert result == CheckResult("late", Layer.TABLE, CheckStatus.FAIL, summary, 1_500, threshold=0, evidence=detail)
    assert ("fate_examples", {"fate": "late", "most": 5}) in given.asked
    clean = delivery.check_late(Given([("a", "ok", 1)]).evidence())
    text = "Every row arrived within 3 hours of its event."
    assert clean == CheckResult("late", Layer.TABLE, CheckStatus.PASS, text, 0, threshold=0)
