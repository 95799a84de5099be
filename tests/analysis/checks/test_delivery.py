"""Checks of delivery on given counts: statuses, layers and numbers; `tests/wording.txt` has the sentences.

The counts are those that the queries return; that the queries count right is tested on runs, elsewhere.
"""

from collections.abc import Mapping, Sequence
from typing import cast

import orjson
import pytest

from analysis.checks import delivery
from analysis.summaries.loss_location import LossLocation
from analysis.verdict import CheckResult, CheckStatus, Layer
from tests.analysis.given import EXAMPLES, UNKNOWN, VALID, Given, Rows, segment, weight


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


def passed(result: CheckResult) -> bool:
    return (result.status, result.statistic, result.threshold) == (CheckStatus.PASS, 0, 0)


@pytest.mark.parametrize("layer", [Layer.TABLE, Layer.INTAKE])
def test_no_loss_passes_at_delivery_layer(layer: Layer) -> None:
    given = Given([("a", "ok", 9)], delivery_layer=layer, hasty=layer is Layer.INTAKE)
    result = delivery.check_lost(given.evidence())
    assert passed(result)
    assert result.layer is layer


def test_loss_is_counted_by_group() -> None:
    given = Given(
        [("a", "ok", 1100), ("b", "ok", 1900), ("b", "lost", 100), ("c", "late", 5)],
        {
            "subjects_lost_entirely": [{"group_name": "b", "subjects": 1200}, {"group_name": "c", "subjects": 34}],
            **EXAMPLES,
        },
    )
    result = delivery.check_lost(given.evidence())
    assert (result.name, result.layer, result.status, result.statistic) == ("lost", Layer.TABLE, CheckStatus.FAIL, 100)
    assert result.threshold == 0
    assert "1,234 subjects" in result.summary
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
    assert ("fate_examples", {"fate": "lost", "most": 5}) in given.queries


def test_losses_of_all_groups_are_reported() -> None:
    given = Given([("a", "ok", 3), ("a", "lost", 1), ("b", "lost", 2), ("b", "ok", 2)], delivery_layer=Layer.INTAKE,
                  hasty=True)  # fmt: skip
    result = delivery.check_lost(given.evidence())
    assert result.layer is Layer.INTAKE
    assert result.statistic == 3
    assert "25.00%" in result.summary
    assert "50.00%" in result.summary


def test_segment_with_highest_loss_is_named() -> None:
    rows = [
        segment("fidelity", "synthetic", 2_000, 300, "b"), segment("fidelity", "synthetic", 2_000, 0, "a"),
        segment("skin", "minerva", 1_000, 300, "b"), segment("skin", "vector", 1_000, 0, "b"),
        segment("skin", "minerva", 1_000, 0, "a"), segment("skin", "vector", 1_000, 0, "a"),
    ]  # fmt: skip
    given = Given([("a", "ok", 2000), ("b", "ok", 1700), ("b", "lost", 300)], {"segments": rows})
    result = delivery.check_lost(given.evidence())
    assert "skin is 'minerva': 15.00%" in result.summary
    segments = result.evidence["segments"]
    assert isinstance(segments, list)
    assert {(item["dimension"], item["value"]) for item in segments} == {("group", "b"), ("skin", "minerva")}
    assert result.layer is Layer.TABLE


def test_of_many_segments_five_are_kept() -> None:
    rows = [row for number in range(8)
            for row in (segment(f"d{number}", "x", 1_000, 200), segment(f"d{number}", "y", 1_000, 0))]  # fmt: skip
    result = delivery.check_lost(Given([("b", "lost", 200), ("b", "ok", 1800)], {"segments": rows}).evidence())
    assert len(cast(list[object], result.evidence["segments"])) == 5


@pytest.mark.parametrize("heavy", [False, True])
def test_vanished_subjects_are_counted(heavy: bool) -> None:
    rows = [segment("skin", "minerva", 1_000, 300), segment("skin", "vector", 1_000, 0)]
    answers = {"segments": rows, "subjects_lost_entirely": [{"group_name": "b", "subjects": 30}]}
    given = Given(
        [("b", "ok", 700), ("b", "lost", 300)], {**answers, **({"subjects_by_loss_extent": HEAVY} if heavy else {})}
    )
    summary = delivery.check_lost(given.evidence()).summary
    assert "30 subjects" in summary
    assert ("for bots" if heavy else "skin is 'minerva'") in summary


HEAVY = [weight("vanished", 100, 1_000, 10_400), weight("untouched", 900, 2_700, 9_000)]


def test_bot_filter_differs_from_other_losses() -> None:
    rows = [segment("skin", "minerva", 1_000, 300), segment("skin", "vector", 1_000, 0)]
    given = Given([("b", "ok", 700), ("b", "lost", 300)], {"subjects_by_loss_extent": HEAVY, "segments": rows},
                  delivery_layer=Layer.INTAKE)  # fmt: skip
    result = delivery.check_lost(given.evidence())
    assert result.layer is Layer.TABLE
    assert "for bots" in result.summary
    assert "minerva" not in result.summary


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
        (
            [weight("vanished", 10_000, 15_000, 22_500), weight("untouched", 10_000, 10_000, 10_000)],
            False,
        ),
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
def test_vanished_subjects_must_be_far_busier(rows: Rows, heavy: bool) -> None:
    given = Given([("b", "ok", 700), ("b", "lost", 300)], {"subjects_by_loss_extent": rows})
    assert ("for bots" in delivery.check_lost(given.evidence()).summary) is heavy


def failed(result: CheckResult) -> tuple[Layer, float | None]:
    assert (result.status, result.threshold) == (CheckStatus.FAIL, 0)
    return result.layer, result.statistic


def test_duplicates_are_counted_by_id_and_by_row() -> None:
    rows = [{"id": number, "copies": 2} for number in range(1_200)] + [{"id": "x", "copies": 4}]
    result = delivery.check_duplicated(Given(duplicates=rows).evidence())
    assert failed(result) == (Layer.STREAM, 1201)
    assert result.evidence == {"duplicated": 1201, "rows_too_many": 1203, "examples": rows[:5]}
    assert passed(delivery.check_duplicated(Given().evidence()))


def test_rewritten_fields_are_named() -> None:
    changed = {"page__title": 1_100, "performer__user__id": 7, "dt": 0}
    given = Given([("a", "ok", 900), ("a", "corrupted", 1_100)], {"corrupted_fields": [changed], **EXAMPLES})
    result = delivery.check_corrupted(given.evidence())
    assert failed(result) == (Layer.TABLE, 1_100)
    assert result.evidence == {
        "corrupted": 1_100, "fields": {"page.title": 1_100, "performer.user.id": 7},
        "by_group": {"a": {"events": 1_100, "of": 2_000}}, "examples": EXAMPLES["fate_examples"],
    }  # fmt: skip
    assert ("fate_examples", {"fate": "corrupted", "most": 5}) in given.queries
    assert passed(delivery.check_corrupted(Given([("a", "ok", 1)]).evidence()))


def test_unsent_rows_are_unexpected() -> None:
    rows = [{"id": number, "first_ms": None} for number in range(1_234)]
    result = delivery.check_unexpected(Given(unexpected=rows).evidence())
    assert failed(result) == (Layer.TABLE, 1234)
    assert result.evidence == {"unexpected": 1234, "examples": rows[:5], "other_runs": {}}
    clean = delivery.check_unexpected(Given().evidence())
    assert passed(clean)
    assert clean.evidence == {"other_runs": {}}


REASONS: dict[str, Sequence[Mapping[str, object]]] = {
    "rejection_reasons": [{"reason": f"'.x{number}' no", "events": 1_000 - number} for number in range(7)],
    **EXAMPLES,
}


def changed(**members: object) -> bytes:
    return orjson.dumps({**orjson.loads(VALID), **members})


@pytest.mark.parametrize(
    ("bodies", "layer", "problem"),
    [
        ([VALID], Layer.INTAKE, ""),
        ([], Layer.INTAKE, ""),
        ([VALID, changed(action=7)], Layer.INSTRUMENT, "'.action' should be string"),
        ([changed(**{"$schema": "/no/such/1.0.0"})], Layer.INSTRUMENT, "/no/such/1.0.0"),
        ([b"[]"], Layer.INSTRUMENT, "member meta"),
        ([changed(meta="x")], Layer.INSTRUMENT, "member meta"),
        # A client need not send the fields that the intake fills in; when it does, they are validated.
        ([changed(meta={"stream": "s"})], Layer.INTAKE, ""),
        ([changed(meta={"stream": "s", "dt": "yesterday"})], Layer.INSTRUMENT, "'.meta.dt'"),
    ],
)  # fmt: skip
def test_validation_decides_layer_of_refusal(bodies: list[bytes], layer: Layer, problem: str) -> None:
    given = Given([("a", "ok", 1_021), ("a", "invalid", 6_979)], REASONS, bodies=bodies)
    result = delivery.check_invalid(given.evidence())
    assert failed(result) == (layer, 6_979)
    assert problem in result.summary
    assert result.evidence == {
        "invalid": 6_979, "reasons": REASONS["rejection_reasons"][:5], "examples": EXAMPLES["fate_examples"],
    }  # fmt: skip
    assert ("rejected_events", 200) in given.queries
    assert ("fate_examples", {"fate": "invalid", "most": 5}) in given.queries


def test_refusal_needs_neither_reason_nor_ledger() -> None:
    result = delivery.check_invalid(Given((), {"rejection_reasons": [{"reason": "", "events": 2}]}).evidence())
    assert failed(result) == (Layer.INTAKE, 2)
    assert passed(delivery.check_invalid(Given().evidence()))


@pytest.mark.parametrize(
    ("unknown", "status"), [(0, CheckStatus.PASS), (10, CheckStatus.PASS), (11, CheckStatus.INCONCLUSIVE)]
)  # fmt: skip
def test_up_to_one_percent_may_be_unknown(unknown: int, status: CheckStatus) -> None:
    given = Given([("a", "ok", 2_000 - 1_000 - unknown), ("a", "indeterminate", unknown)], EXAMPLES)
    result = delivery.check_indeterminate(given.evidence())
    detail = {"indeterminate": unknown, "share": unknown / 1_000, "by_group": (), "examples": EXAMPLES["fate_examples"]}
    assert (result.layer, result.status, result.statistic) == (Layer.TRANSPORT, status, unknown / 1_000)
    assert (result.p_value, result.threshold, result.evidence) == (1.0, 0.01, detail)
    assert ("fate_examples", {"fate": "indeterminate", "most": 5}) in given.queries


def unanswered(group: str, subjects: int, hit: int, events: int, sent: int) -> dict[str, object]:
    return {"group_name": group, "subjects": subjects, "hit": hit, "events": events, "sent_events": sent}


def test_missing_responses_in_one_group_fail() -> None:
    rows = [unanswered("a", 4_000, 0, 0, 9_000), unanswered("b", 4_000, 40, 50, 10_000)]
    given = Given(
        [("a", "ok", 9_000), ("b", "ok", 9_950), ("b", "indeterminate", 50)], {"indeterminate_by_group": rows}
    )
    result = delivery.check_indeterminate(given.evidence())
    assert (result.status, result.layer) == (CheckStatus.FAIL, Layer.TRANSPORT)
    assert result.p_value is not None
    assert result.p_value < 0.001
    assert "group 'b' lost 0.50%" in result.summary
    alike = [unanswered("a", 4_000, 20, 25, 9_000), unanswered("b", 4_000, 20, 25, 10_000)]
    given = Given([("a", "ok", 19_950), ("b", "indeterminate", 50)], {"indeterminate_by_group": alike})
    assert delivery.check_indeterminate(given.evidence()).status is CheckStatus.PASS


@pytest.mark.parametrize(
    ("location", "words"),
    [
        (UNKNOWN, ()),
        (UNKNOWN._replace(behind=1_200), ("1,200", "ingestion")),
        (
            UNKNOWN._replace(behind=1_200, hours=("2025-01-31T14", "2025-01-31T15", "2025-01-31T16", "2025-01-31T17")),
            ("1,200", "2025-01-31T14:00 UTC, 2025-01-31T15:00 UTC, 2025-01-31T16:00 UTC has arrived"),
        ),
        (UNKNOWN._replace(behind=1, elsewhere={"x": 1, "y": 2}), ("1 is in", "3 are in", "(x, y)")),
        (UNKNOWN._replace(nowhere=5, known=False), ()),
        (UNKNOWN._replace(nowhere=5_000, known=True), ("5,000 are in no stream",)),
    ],
)
def test_location_of_lost_events_is_named(location: LossLocation, words: tuple[str, ...]) -> None:
    given = Given([("b", "ok", 700), ("b", "lost", 300)], loss_location=location)
    _, remark = delivery.check_lost(given.evidence()).summary.split("(300 of 1,000).")
    assert all(word in remark for word in words)
    assert bool(remark) is bool(words)


def test_outcome_without_events_is_inconclusive() -> None:
    result = delivery.check_indeterminate(Given().evidence())
    assert (result.status, result.statistic) == (CheckStatus.INCONCLUSIVE, 0)


def test_rows_after_the_deadline_are_late() -> None:
    given = Given([("a", "ok", 10), ("a", "late", 1_000), ("b", "late", 500)], EXAMPLES, deadline_s=5_400)
    result = delivery.check_late(given.evidence())
    assert failed(result) == (Layer.TABLE, 1_500)
    assert result.evidence == {"late": 1_500, "examples": EXAMPLES["fate_examples"]}
    assert ("fate_examples", {"fate": "late", "most": 5}) in given.queries
    assert passed(delivery.check_late(Given([("a", "ok", 1)]).evidence()))
