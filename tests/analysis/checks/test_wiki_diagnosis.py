"""Diagnosis of pages that show no group or another one, or do not send their events."""

import pytest

from analysis.checks.wiki_diagnosis import ExpectedEvents, ReportedEnrolment, diagnose_assignment, diagnose_missing
from analysis.verdict import Layer

GROUPS = ("false", "true")


def pages_of(*, missing: range = range(0), other: range = range(0), twice: range = range(0)) -> list[ReportedEnrolment]:
    """Return a page of each of 60 accounts, groups in turn; those in *twice* have read another page rightly."""
    pages = []
    for user in range(60):
        expected = GROUPS[user % 2]
        group = None if user in missing else GROUPS[1 - user % 2] if user in other else expected
        pages.append(ReportedEnrolment(user, group, expected))
        if user in twice:
            pages.append(ReportedEnrolment(user, expected, expected))
    return pages


@pytest.mark.parametrize(
    ("pages", "layer", "word"),
    [
        (pages_of(missing=range(60)), Layer.CONFIG, "no page enrolled anybody"),
        (pages_of(missing=range(20)), Layer.ASSIGNMENT, "sample rate"),
        (pages_of(missing=range(20), twice=range(10)), Layer.CONFIG, "10 of them were enrolled on other pages"),
        (pages_of(missing=range(1, 60, 2)), Layer.EXPOSURE, "30 of 30 of group 'true'"),
        (pages_of(other=range(3)), Layer.ASSIGNMENT, "hashes"),
        (pages_of(other=range(3), missing=range(10, 40)), Layer.ASSIGNMENT, "hashes"),
    ],
)
def test_wrong_assignment_layer_follows_from_its_pages(pages: list[ReportedEnrolment], layer: Layer, word: str) -> None:
    diagnosis = diagnose_assignment(pages)
    assert diagnosis.layer is layer
    assert word in diagnosis.where


def test_overrides_alone_are_an_exposure_fault() -> None:
    forced = [ReportedEnrolment(100, "true", "false", forced=True), ReportedEnrolment(101, "true", None, forced=True)]
    assert diagnose_assignment([*pages_of(), *forced]).layer is Layer.EXPOSURE
    assert diagnose_assignment([*pages_of(other=range(1)), *forced]).layer is Layer.ASSIGNMENT


def test_wrong_subject_id_is_an_assignment_fault() -> None:
    assert (
        diagnose_assignment([*pages_of(), ReportedEnrolment(100, "true", "true", fits=False)]).layer is Layer.ASSIGNMENT
    )


def views_of(
    missing: list[bool],
    *,
    groups: list[str] | None = None,
    seen: int = 0,
    stays: list[int] | None = None,
    subjects: list[int] | None = None,
) -> list[ExpectedEvents]:
    """Return a page view each; every one of another subject unless *subjects* tells."""
    names = groups or [GROUPS[number % 2] for number in range(len(missing))]
    times = stays or [-1] * len(missing)
    numbers = subjects or list(range(len(missing)))
    return [
        ExpectedEvents(name, 1, int(absent), seen if absent else 0, stay, number)
        for name, absent, stay, number in zip(names, missing, times, numbers, strict=True)
    ]  # fmt: skip


def test_missing_event_layer_follows_from_page_views() -> None:
    mixed = [number % 4 < 2 for number in range(40)]
    soon = [100 + number if missing else 2_000 + number for number, missing in enumerate(mixed)]
    assert diagnose_missing(views_of(mixed)).layer is Layer.INSTRUMENT
    assert diagnose_missing(views_of(mixed, stays=soon)).layer is Layer.TRANSPORT
    assert diagnose_missing(views_of(mixed, seen=1)).layer is Layer.TRANSPORT
    one_group = diagnose_missing(views_of([number % 2 == 0 for number in range(40)], seen=1, stays=soon))
    assert one_group.layer is Layer.EXPOSURE
    assert "20 of 20 of group 'false' and 0 of 20 of group 'true'" in one_group.where


def test_too_few_accounts_ask_for_more() -> None:
    diagnosis = diagnose_missing(views_of([True, False, True], stays=[100, 3_000, 100], subjects=[1, 2, 1]))
    assert diagnosis.layer is Layer.INSTRUMENT
    assert "2 of 2 of group 'false' and 0 of 1 of group 'true'" in diagnosis.where
    assert "add accounts" in diagnosis.where


@pytest.mark.parametrize("group", GROUPS)
def test_one_whole_group_of_few_accounts_is_exposure(group: str) -> None:
    subjects = [1, 2, 3, 4, 1, 2]
    missing = [GROUPS[number % 2] == group for number in range(6)]
    diagnosis = diagnose_missing(views_of(missing, subjects=subjects))
    assert diagnosis.layer is Layer.EXPOSURE
    assert f"3 of 3 of group {group!r}" in diagnosis.where


def test_a_group_hit_in_part_is_no_pattern() -> None:
    diagnosis = diagnose_missing(views_of([True, False, False, False, True, False], subjects=[1, 2, 3, 4, 1, 2]))
    assert diagnosis == (Layer.INSTRUMENT, "look at the instrument")


def test_one_group_told_nothing_is_exposure_for_few() -> None:
    pages = [ReportedEnrolment(user, None if user % 2 else "false", GROUPS[user % 2]) for user in range(4)]
    diagnosis = diagnose_assignment(pages)
    assert diagnosis.layer is Layer.EXPOSURE
    assert "2 of 2 of group 'true'" in diagnosis.where
    few = diagnose_assignment(pages[:2])
    assert few.layer is Layer.ASSIGNMENT
    assert "add accounts" in few.where
