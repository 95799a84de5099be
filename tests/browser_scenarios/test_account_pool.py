"""Accounts are chosen by their hash, each once."""

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


def world(count: int) -> Environment:
    run_plan = plan()
    accounts = [TestAccount(f"Reader {i}", "x", i + 1, i + 1, i) for i in range(count)]
    fake: Any = SimpleNamespace(
        plan=run_plan,
        accounts=accounts,
        group_of=lambda account: run_plan.group_of(account.user_id, account.central_id),
    )
    return cast(Environment, fake)


def test_every_group_and_nobody_are_covered_by_few() -> None:
    stage = world(60)
    casting = AccountPool(stage)
    cast_of = casting.mix(9)
    groups = [stage.group_of(account) for account in cast_of]
    assert sorted(map(str, groups)) == ["None"] * 3 + ["false"] * 3 + ["true"] * 3
    assert len({account.user_id for account in cast_of}) == 9
    again = casting.take("true")
    assert stage.group_of(again) == "true"
    assert again not in cast_of


def test_a_small_group_is_filled_up_from_others() -> None:
    # As on TestWiki: a few of forty accounts are enrolled, and all forty come.
    stage = world(60)
    few = [account for account in stage.accounts if stage.group_of(account) == "true"][:2]
    others = [account for account in stage.accounts if stage.group_of(account) != "true"]
    cast(Any, stage).accounts = (*few, *others)
    everybody = AccountPool(stage).mix(2 + len(others))
    assert sorted(account.user_id for account in everybody) == sorted(account.user_id for account in stage.accounts)
    assert sum(stage.group_of(account) == "true" for account in everybody[:6]) == 2


def test_more_accounts_than_there_are_says_how_many() -> None:
    with pytest.raises(NoAccountError, match="100 accounts wanted, 60 left"):
        AccountPool(world(60)).mix(100)


def test_when_nobody_is_left_it_says_so() -> None:
    casting = AccountPool(world(0))
    with pytest.raises(NoAccountError, match="in group 'true'"):
        casting.take("true")
    with pytest.raises(NoAccountError, match="outside the sample"):
        casting.take(None)
    with pytest.raises(NoAccountError, match="5 accounts wanted, 0 left"):
        casting.mix(5)


def test_scenarios_are_found_by_their_names() -> None:
    assert [scenario.name for scenario in choose([])] == list(SCENARIOS)
    # In the order in which they are played, whatever the order in which they were asked for.
    assert [scenario.name for scenario in choose(["anonymous", "ctr"])] == ["ctr", "anonymous"]
    with pytest.raises(ScenarioError, match="no scenario 'x': api, ctr"):
        choose(["x"])
    assert all(name == scenario.name and scenario.question.endswith("?") for name, scenario in SCENARIOS.items())
