"""Scenarios that change MPIC: proof that the wiki fetched, and the time limit of steps."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from browser_scenarios import context as context_module
from browser_scenarios.context import ScenarioContext
from browser_scenarios.mpic_ui_steps import EXPERIMENTS, has_fetched, refresh_wiki_configs
from browser_scenarios.scenario import Scenario
from run_record.scenario_findings import ScenarioFinding


class Operator:
    """An operator of a wiki that can delete its configs, and of an MPIC with the fetch counts *counts*."""

    def __init__(self, *counts: int, forgets: bool = True) -> None:
        self._counts = iter(counts)
        self._forgets = forgets

    async def forget_configs(self) -> bool:
        return self._forgets

    async def fetch_count(self, path: str, fault: str) -> int:
        assert (path, fault) == (EXPERIMENTS, "malformed")
        return next(self._counts)


def context_with(folder: Path, operator: Operator | None) -> ScenarioContext:
    nothing: Any = SimpleNamespace()
    environment: Any = SimpleNamespace(operator=operator, configs_ttl_s=0.0)
    return ScenarioContext("mpic-failures", environment, nothing, nothing, folder / "browser", users=1, concurrency=1)


def fetched_with(folder: Path, operator: Operator | None) -> tuple[bool, Sequence[ScenarioFinding]]:
    """Refresh the wiki's configs; return whether it fetched, and the findings."""
    context = context_with(folder, operator)

    async def follow() -> bool:
        fetches = await refresh_wiki_configs(context, EXPERIMENTS, "malformed")
        return await has_fetched(context, fetches, "malformed")

    return asyncio.run(follow()), context.findings


def test_a_step_without_a_fetch_fails_the_generator(tmp_path: Path) -> None:
    requested, findings = fetched_with(tmp_path, Operator(3, 3))
    assert not requested
    assert [(item.ok, item.layer) for item in findings] == [(False, "generator")]
    assert "without asking MPIC" in findings[0].observation


@pytest.mark.parametrize("operator", [Operator(3, 4), Operator(0, 2, forgets=False), None])
def test_a_step_with_a_fetch_is_played(tmp_path: Path, operator: Operator | None) -> None:
    assert fetched_with(tmp_path, operator) == (True, [])


def played(folder: Path, play: Callable[[ScenarioContext], Awaitable[None]]) -> None:
    context = context_with(folder, None)
    asyncio.run(context.play(Scenario("x", "x?", play)))


def test_a_step_has_a_time_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context_module, "STEP_WITHIN_S", 0.05)

    async def hang(_: ScenarioContext) -> None:
        await asyncio.sleep(3600)

    with pytest.raises(TimeoutError):
        played(tmp_path, hang)


def test_every_step_extends_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context_module, "STEP_WITHIN_S", 0.05)

    async def wait(context: ScenarioContext) -> None:
        context.extend_deadline(3600)
        await asyncio.sleep(0.3)

    played(tmp_path, wait)
