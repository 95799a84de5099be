"""The account pool: accounts by group, each once; and the choice of scenarios."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from browser_scenarios.context import AccountPool
from browser_scenarios.environment import Environment
from browser_scenarios.failure_cause import NoAccountError
from browser_scenarios.runner import ScenarioError, choose
from browser_scenarios.scenarios import SCENARIOS
from run_record.accounts import TestAccount
from tests.plans import plan


def environment_with(count: int) -> Environment:
    run_plan = plan()
    accounts = [TestAccount(f"Reader {i}", "x", i + 1, i + 1, i) for i in range(count)]
    fake: Any = SimpleNamespace(
        plan=run_plan,
        accounts=accounts,
        group_of=lambda account: run_plan.group_of(account.user_id, account.central_id),
    )
    return cast(Environment, fake)


def test_a_mix_covers_all_groups_evenly() -> None:
    environment = environment_with(60)
    account_pool = AccountPool(environment)
    accounts = account_pool.mix(9)
    groups = [environment.group_of(account) for account in accounts]
    assert sorted(map(str, groups)) == ["None"] * 3 + ["false"] * 3 + ["true"] * 3
    assert len({account.user_id for account in accounts}) == 9
    again = account_pool.take("true")
    assert environment.group_of(again) == "true"
    assert again not in accounts


def test_a_small_group_is_filled_up_from_others() -> None:
    # As on TestWiki: only a few of forty accounts are enrolled, and all forty are wanted.
    environment = environment_with(60)
    few = [account for account in environment.accounts if environment.group_of(account) == "true"][:2]
    others = [account for account in environment.accounts if environment.group_of(account) != "true"]
    cast(Any, environment).accounts = (*few, *others)
    everybody = AccountPool(environment).mix(2 + len(others))
    assert sorted(account.user_id for account in everybody) == sorted(
        account.user_id for account in environment.accounts
    )
    assert sum(environment.group_of(account) == "true" for account in everybody[:6]) == 2


def test_too_many_accounts_are_reported_with_counts() -> None:
    with pytest.raises(NoAccountError, match="100 accounts wanted, 60 left"):
        AccountPool(environment_with(60)).mix(100)


def test_an_empty_pool_is_one_clear_error() -> None:
    account_pool = AccountPool(environment_with(0))
    with pytest.raises(NoAccountError, match="in group 'true'"):
        account_pool.take("true")
    with pytest.raises(NoAccountError, match="outside the sample"):
        account_pool.take(None)
    with pytest.raises(NoAccountError, match="5 accounts wanted, 0 left"):
        account_pool.mix(5)


def test_scenarios_are_chosen_by_name() -> None:
    assert [scenario.name for scenario in choose([])] == list(SCENARIOS)
    # The order is the playing order, not that of the names.
    assert [scenario.name for scenario in choose(["anonymous", "ctr"])] == ["ctr", "anonymous"]
    with pytest.raises(ScenarioError, match="no scenario 'x'; choose among api, ctr"):
        choose(["x"])
    assert all(name == scenario.name and scenario.question.endswith("?") for name, scenario in SCENARIOS.items())
