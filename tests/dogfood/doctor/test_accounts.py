"""Accounts and the groups that the contract gives them."""

from pathlib import Path

import pytest

from contracts.assignment import assign
from contracts.configs import parse_experiment
from contracts.generation import Generation
from dogfood.doctor.accounts import examine_accounts
from dogfood.doctor.diagnosis import Condition, Diagnosis
from personas.example_experiment import EXPERIMENT, example_experiment
from run_record.accounts import TestAccount, write_accounts

ACCOUNTS = [TestAccount(f"Dogfood-{number:02}", "secret", number, 1000 + number, number) for number in range(1, 41)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_accounts(tmp_path / "accounts.ndjson", ACCOUNTS)
    return tmp_path / "accounts.ndjson"


def examined(path: Path, generation: Generation = Generation.ALPHA, *, rate: float = 1.0, name: str = "") -> Diagnosis:
    experiment = parse_experiment(generation, example_experiment(generation, rate=rate))
    return list(examine_accounts(path, experiment, "testwiki", name))[-1]


@pytest.mark.parametrize("generation", Generation)
def test_group_follows_from_the_generations_id(path: Path, generation: Generation) -> None:
    account = ACCOUNTS[6]
    user_id = account.user_id if generation is Generation.ALPHA else account.central_id
    groups = parse_experiment(generation, example_experiment(generation)).groups
    expected = assign(generation, user_id, EXPERIMENT, groups, 1.0).group
    assert f"in group {expected!r}" in examined(path, generation, name=account.name).summary


def test_all_accounts_are_counted(path: Path) -> None:
    result = examined(path, rate=0.5)
    numbers = [int(word) for word in result.summary.replace(",", "").split() if word.isdigit()]
    assert sum(numbers) == len(ACCOUNTS)


def test_empty_group_is_missing(path: Path) -> None:
    result = examined(path, rate=1e-6)
    assert result.condition is Condition.MISSING
    assert "no account will be in 'false', 'true'" in result.summary


def test_unknown_account_is_missing(path: Path) -> None:
    assert examined(path, name="Nobody").condition is Condition.MISSING


def test_passwords_that_others_can_read_are_a_miss(path: Path) -> None:
    path.chmod(0o644)
    (file, _) = examine_accounts(path, None, "testwiki")
    assert file.condition is Condition.MISSING
    assert "chmod 600" in file.remedy


def test_invalid_accounts_file_is_missing(path: Path) -> None:
    path.write_text("{}\n")
    (file,) = examine_accounts(path, None, "testwiki")
    assert file.condition is Condition.MISSING


def test_without_a_file_nothing_is_claimed(tmp_path: Path) -> None:
    (file,) = examine_accounts(tmp_path / "none", None, "testwiki")
    assert file.condition is Condition.UNKNOWN
