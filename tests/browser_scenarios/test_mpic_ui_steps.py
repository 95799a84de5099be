"""A scenario that changes MPIC proves that the wiki asked, and has as long as its steps take."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from browser_scenarios import context as stages
from browser_scenarios.context import ScenarioContext
from browser_scenarios.mpic_ui_steps import EXPERIMENTS, has_asked, wiki_follows
from browser_scenarios.scenario import Scenario
from run_record.scenario_findings import ScenarioFinding


class Operator:
    """An operator of a wiki that forgets, and of an MPIC that was fetched from so often."""

    def __init__(self, *counts: int, forgets: bool = True) -> None:
        self._counts = iter(counts)
        self._forgets = forgets

    async def forget_configs(self) -> bool:
        return self._forgets

    async def fetched(self, path: str, how: str) -> int:
        assert (path, how) == (EXPERIMENTS, "malformed")
        return next(self._counts)


def stage_with(folder: Path, operator: Operator | None) -> ScenarioContext:
    nothing: Any = SimpleNamespace()
    world: Any = SimpleNamespace(operator=operator, configs_ttl_s=0.0)
    return ScenarioContext("mpic-failures", world, nothing, nothing, folder / "browser", users=1, concurrency=1)


def asked_with(folder: Path, operator: Operator | None) -> tuple[bool, Sequence[ScenarioFinding]]:
    """Let the wiki follow, and return whether it asked and what was found."""
    stage = stage_with(folder, operator)

    async def follow() -> bool:
        fetches = await wiki_follows(stage, EXPERIMENTS, "malformed")
        return await has_asked(stage, fetches, "malformed")

    return asyncio.run(follow()), stage.findings


def test_a_step_without_a_fetch_is_the_kits(tmp_path: Path) -> None:
    requested, findings = asked_with(tmp_path, Operator(3, 3))
    assert not requested
    assert [(item.ok, item.layer) for item in findings] == [(False, "generator")]
    assert "without asking MPIC" in findings[0].observation


@pytest.mark.parametrize("operator", [Operator(3, 4), Operator(0, 2, forgets=False), None])
def test_a_step_with_a_fetch_is_played(tmp_path: Path, operator: Operator | None) -> None:
    assert asked_with(tmp_path, operator) == (True, [])


def played(folder: Path, play: Callable[[ScenarioContext], Awaitable[None]]) -> None:
    stage = stage_with(folder, None)
    asyncio.run(stage.play(Scenario("x", "x?", play)))


def test_a_step_that_never_ends_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "STEP_WITHIN_S", 0.05)

    async def hang(_: ScenarioContext) -> None:
        await asyncio.sleep(3600)

    with pytest.raises(TimeoutError):
        played(tmp_path, hang)


def test_every_step_prolongs_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "STEP_WITHIN_S", 0.05)

    async def wait(stage: ScenarioContext) -> None:
        stage.allow(3600)
        await asyncio.sleep(0.3)

    played(tmp_path, wait)
