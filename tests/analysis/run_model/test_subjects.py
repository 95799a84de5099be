"""Subjects as rows name them: which ids are some, and the group that the contract gives each."""

import hashlib

import pyarrow as pa
import pytest

from analysis.run_model.subjects import classify_subjects
from contracts.assignment import Generation, assign, subject_id

NAME, GROUPS, RATE = "an-experiment", ["control", "treatment", "other"], 0.6

#: None of these is a digest of 64 hexadecimal digits, in lower case.
NO_DIGESTS = [None, "", "a" * 63, "a" * 65, "A" * 64, "g" * 64, "a" * 63 + "G", "é" * 32, "a" * 31 + " " + "a" * 32]


def test_an_xlab_subject_is_a_digest_and_has_the_group_of_its_account() -> None:
    ids = [subject_id(user, NAME) for user in range(1, 500)]
    seen = classify_subjects(pa.table({"subject": [*NO_DIGESTS, *ids]}), Generation.XLAB, NAME, GROUPS, RATE)
    assert seen["valid"].to_pylist() == [False] * len(NO_DIGESTS) + [True] * len(ids)
    groups = [assign(Generation.XLAB, user, NAME, GROUPS, RATE).group for user in range(1, 500)]
    assert seen["expected"].to_pylist() == [None] * len(NO_DIGESTS) + groups
    assert {None, *GROUPS} == set(groups)


@pytest.mark.parametrize("user", [None, "", "0", "-1", "01", "1.0", "awaiting", hashlib.sha256(b"1").hexdigest()])
def test_what_is_no_user_id_is_no_alpha_subject(user: str | None) -> None:
    subjects = pa.table({"subject": pa.array([user, "17"], pa.string())})
    seen = classify_subjects(subjects, Generation.ALPHA, NAME, GROUPS, RATE)
    assert seen["valid"].to_pylist() == [False, True]
    assert seen["expected"].to_pylist() == [None, assign(Generation.ALPHA, 17, NAME, GROUPS, RATE).group]


@pytest.mark.parametrize("generation", list(Generation))
def test_nobody_is_nobody(generation: Generation) -> None:
    nobody = classify_subjects(pa.table({"subject": pa.array([], pa.string())}), generation, NAME, GROUPS, RATE)
    assert nobody.num_rows == 0
    assert nobody.column_names == ["subject", "valid", "expected"]
