"""Subjects of rows: validity of ids, and the group that the contract gives them."""

import hashlib

import pyarrow as pa
import pytest

from analysis.run_model.subjects import classify_subjects
from contracts.assignment import assign, subject_id
from contracts.generation import Generation

NAME, GROUPS, RATE = "an-experiment", ["control", "treatment", "other"], 0.6

#: Ids that are not 64 hexadecimal digits in lower case.
MALFORMED = [None, "", "a" * 63, "a" * 65, "A" * 64, "g" * 64, "a" * 63 + "G", "é" * 32, "a" * 31 + " " + "a" * 32]


def test_xlab_digest_has_the_group_of_its_account() -> None:
    ids = [subject_id(user, NAME) for user in range(1, 500)]
    rows = classify_subjects(pa.table({"subject": [*MALFORMED, *ids]}), Generation.XLAB, NAME, GROUPS, RATE)
    assert rows["valid"].to_pylist() == [False] * len(MALFORMED) + [True] * len(ids)
    groups = [assign(Generation.XLAB, user, NAME, GROUPS, RATE).group for user in range(1, 500)]
    assert rows["expected"].to_pylist() == [None] * len(MALFORMED) + groups
    assert {None, *GROUPS} == set(groups)


@pytest.mark.parametrize("user", [None, "", "0", "-1", "01", "1.0", "awaiting", hashlib.sha256(b"1").hexdigest()])
def test_malformed_alpha_id_is_invalid(user: str | None) -> None:
    subjects = pa.table({"subject": pa.array([user, "17"], pa.string())})
    rows = classify_subjects(subjects, Generation.ALPHA, NAME, GROUPS, RATE)
    assert rows["valid"].to_pylist() == [False, True]
    assert rows["expected"].to_pylist() == [None, assign(Generation.ALPHA, 17, NAME, GROUPS, RATE).group]


@pytest.mark.parametrize("generation", list(Generation))
def test_no_subjects_give_an_empty_table(generation: Generation) -> None:
    rows = classify_subjects(pa.table({"subject": pa.array([], pa.string())}), generation, NAME, GROUPS, RATE)
    assert rows.num_rows == 0
    assert rows.column_names == ["subject", "valid", "expected"]
