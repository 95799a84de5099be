import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.assignment import HASH_SPACE, assign, assign_hashes, assign_many, expected_shares, subject_id
from contracts.generation import Generation
from tests.contract_samples import contract_path

RATES = st.one_of(st.sampled_from([0.0, 1e-9, 0.1, 1 / 3, 0.5, 1 - 2**-24, 1.0, 1.5]), st.floats(0, 1))


def test_all_vectors_of_the_original_classes_match() -> None:
    lines = contract_path("bucketing-vectors.ndjson").read_text().splitlines()
    assert len(lines) == 4000
    for line in lines:
        row = json.loads(line)
        result = assign(Generation(row["generation"]), row["user_id"], row["experiment"], row["groups"], row["rate"])
        assert result.hash == row["hash"]
        assert result.in_sample is row["in_sample"]
        assert result.group == row["group"]
        assert result.group_if_sampled == row["bucket_if_sampled"]
        assert result.subject_id == row.get("subject_id")


@pytest.mark.parametrize(
    ("generation", "user_id", "experiment", "groups", "rate", "hash24", "group", "if_sampled"),
    [
        (Generation.ALPHA, 1623991916956295636, "exp-793474852", ["control", "treatment"], 0.5, 6132588, None,
         "control"),
        (Generation.ALPHA, 30, "fy24-25-we-1-7-rc-grouping-toggle", ["A", "B", "C"], 0.5, 11885004, "C", "C"),
        (Generation.ALPHA, 21614, "exp-315376839", ["A", "B", "C"], 0.1, 684994, None, "A"),
        (Generation.XLAB, 1623991916956295636, "exp-793474852", ["control", "treatment"], 0.5, 0xA30B8A, "treatment",
         "treatment"),
        (Generation.XLAB, 30, "fy24-25-we-1-7-rc-grouping-toggle", ["A", "B", "C"], 0.5, 0xB5FF25, "C", "C"),
    ],
)  # fmt: skip
def test_some_vectors_match_without_the_contract_files(
    generation: Generation, user_id: int, experiment: str, groups: list[str], rate: float, hash24: int,
    group: str | None, if_sampled: str,
) -> None:  # fmt: skip
    result = assign(generation, user_id, experiment, groups, rate)
    assert result[:4] == (hash24, group is not None, group, if_sampled)
    assert (result.subject_id or "").startswith(f"{hash24:06x}") is (generation is Generation.XLAB)
    assert len(result.subject_id or "") == (64 if generation is Generation.XLAB else 0)


def test_arrays_of_users_match_the_vectors() -> None:
    for line in contract_path("bucketing-vectors.ndjson").read_text().splitlines():
        row = json.loads(line)
        ids = np.array([row["user_id"]], dtype=np.int64)
        result = assign_many(Generation(row["generation"]), ids, row["experiment"], row["groups"], row["rate"])
        assert result.hash24[0] / HASH_SPACE == row["hash"]
        assert bool(result.in_sample[0]) is row["in_sample"]
        group = int(result.group[0])
        assert (row["groups"][group] if group >= 0 else None) == row["group"]


@given(
    st.sampled_from(list(Generation)),
    st.lists(st.integers(0, 2**63 - 1), max_size=20),
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.lists(st.text(max_size=3), min_size=1, max_size=12),
    RATES,
)
def test_assign_many_equals_assign(
    generation: Generation, user_ids: list[int], experiment: str, groups: list[str], rate: float
) -> None:
    many = assign_many(generation, np.array(user_ids, dtype=np.int64), experiment, groups, rate)
    one_by_one = [assign(generation, user_id, experiment, groups, rate) for user_id in user_ids]
    assert many.hash24.tolist() == [one.hash24 for one in one_by_one]
    assert many.in_sample.tolist() == [one.in_sample for one in one_by_one]
    assert [groups[group] if group >= 0 else None for group in many.group.tolist()] == [one.group for one in one_by_one]
    assert [column.dtype.name for column in many] == ["uint32", "bool", "int16"]


@pytest.mark.parametrize(("rate", "taken"), [(-0.5, False), (0.0, False), (1.0, True), (1.5, True), (math.inf, True)])
def test_rates_outside_the_range_sample_none_or_all(rate: float, taken: bool) -> None:
    assert {assign(Generation.ALPHA, user_id, "e", ["a", "b"], rate).in_sample for user_id in range(200)} == {taken}


@given(st.integers(0, HASH_SPACE - 1), st.integers(1, 12), RATES)
def test_integers_equal_the_contracts_floating_point(hash24: int, groups: int, rate: float) -> None:
    scaled = hash24 / 2**24 * groups
    result = assign_hashes(np.array([hash24], dtype=np.uint32), groups, rate)
    in_sample = math.fmod(scaled, 1) < rate
    assert bool(result.in_sample[0]) is in_sample
    assert result.group[0] == (int(scaled) if in_sample else -1)


@pytest.fixture(scope="module")
def all_hashes() -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    return np.arange(HASH_SPACE, dtype=np.uint32)


@pytest.mark.parametrize(
    ("groups", "rate"),
    [(2, 0.5), (3, 0.1), (5, 1 / 3),
     *(pytest.param(*case, marks=pytest.mark.slow) for case in ((1, 1.0), (2, 1e-7), (7, 0.999), (4, 0.0)))],
)  # fmt: skip
def test_expected_shares_are_the_counts_over_all_hashes(
    all_hashes: np.ndarray[tuple[int], np.dtype[np.uint32]], groups: int, rate: float
) -> None:
    result = assign_hashes(all_hashes, groups, rate)
    counts = np.bincount(result.group + 1, minlength=groups + 1)
    shares = expected_shares(groups, rate)
    assert [share * HASH_SPACE for share in shares.groups] == counts[1:].tolist()
    assert shares.not_in_sample * HASH_SPACE == counts[0]


def test_equal_shares_are_not_exactly_equal() -> None:
    shares = expected_shares(3, 0.1).groups
    assert len(set(shares)) == 2
    assert all(share != 1 / 30 for share in shares)


@given(st.integers(1, 12), RATES)
def test_expected_shares_sum_to_one(groups: int, rate: float) -> None:
    shares = expected_shares(groups, rate)
    assert sum(shares.groups) + shares.not_in_sample == 1


@given(st.integers(0, 2**63 - 1), st.floats(0, 1), st.floats(0, 1))
def test_raising_the_rate_keeps_all_groups(user_id: int, one: float, other: float) -> None:
    low, high = (assign(Generation.XLAB, user_id, "e", ["a", "b", "c"], rate) for rate in sorted((one, other)))
    assert not low.in_sample or (high.in_sample and high.group == low.group)


@pytest.mark.parametrize("rate", [1.0, 1.5, math.inf])
def test_rates_above_one_have_the_shares_of_one(rate: float) -> None:
    assert expected_shares(3, rate) == expected_shares(3, 1.0)
    assert expected_shares(3, rate).not_in_sample == 0


@given(st.integers(0, 2**63 - 1), st.integers(1, 12))
def test_the_rate_itself_is_not_in_the_sample(user_id: int, n_groups: int) -> None:
    names = [str(number) for number in range(n_groups)]
    rest = assign(Generation.XLAB, user_id, "e", names, 1.0).hash24 * n_groups % HASH_SPACE
    at, above = (assign(Generation.XLAB, user_id, "e", names, (rest + more) / HASH_SPACE) for more in (0, 1))
    assert (at.in_sample, above.in_sample) == (False, True)


def test_names_that_begin_with_a_digit_can_collide() -> None:
    assert subject_id(1, "23-x") == subject_id(12, "3-x")


def test_missing_groups_and_nan_rates_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^an experiment needs at least one group$"):
        assign(Generation.ALPHA, 1, "e", [], 0.5)
    with pytest.raises(ValueError, match=r"^the sample rate is not a number$"):
        expected_shares(2, math.nan)
    with pytest.raises(ValueError, match="at least one group"):
        assign_many(Generation.ALPHA, np.array([1]), "e", [], 0.5)
