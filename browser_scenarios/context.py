"""The stage that a scenario is played on: sessions for it, accounts by their hash, and what it found."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, BrowserContext

from browser_scenarios.environment import Environment
from browser_scenarios.failure_cause import NoAccountError, is_stall, layer_of, told_of
from browser_scenarios.redaction import redact
from browser_scenarios.scenario import Scenario
from browser_scenarios.session import Session
from run_record.accounts import TestAccount
from run_record.scenario_findings import ScenarioFinding

#: No step of a scenario takes longer, besides what it waits on purpose: a scenario has as long as its steps.
STEP_WITHIN_S = 180.0

_WITNESS = Path(__file__).with_name("page_probe.js")


class AccountPool:
    """Gives out accounts by the group that their hash predicts, each once: never by an override."""

    def __init__(self, world: Environment) -> None:
        self._world = world
        self._free: dict[str | None, list[TestAccount]] = {}
        for account in world.accounts:
            self._free.setdefault(world.group_of(account), []).append(account)

    def take(self, group: str | None) -> TestAccount:
        """Return an unused account of *group*; None is not in the sample. Raises NoAccountError."""
        free = self._free.get(group)
        if not free:
            wanted = "outside the sample" if group is None else f"in group {group!r}"
            raise NoAccountError(f"no account {wanted} is left: seed more, or play fewer scenarios at once")
        return free.pop(0)

    def mix(self, count: int) -> list[TestAccount]:
        """Return *count* accounts that cover every group, and "not in the sample", as evenly as they go.

        A group with too few accounts is filled up from the others. Raises NoAccountError when all groups have too few.
        """
        kinds = [kind for kind in (*self._world.plan.experiment.groups, None) if self._free.get(kind)]
        left = sum(len(self._free[kind]) for kind in kinds)
        if count > left:
            raise NoAccountError(f"{count} accounts wanted, {left} left: seed more, or ask for fewer --users")
        # One account of each kind a turn, from those that have one left.
        turns = itertools.zip_longest(*(self._free[kind] for kind in kinds))
        chosen = [account for account in itertools.chain.from_iterable(turns) if account is not None][:count]
        for account in chosen:
            self._free[self._world.group_of(account)].remove(account)
        return chosen

    def snapshot(self) -> "AccountPool":
        """Return a casting that gives out the accounts which are unused now."""
        copy = AccountPool.__new__(AccountPool)
        copy._world = self._world
        copy._free = {group: list(accounts) for group, accounts in self._free.items()}
        return copy


class ScenarioContext:
    """One scenario's stage.

    Args:
        name: of the scenario.
        world: the systems under test.
        browser: returns the browser that sessions are opened in.
        casting: gives out accounts.
        folder: for what shows a failed step.
        users: how many users the scenario should play, where that is open.
        concurrency: how many sessions at once.
        journeys: how many times a user reads its pages in one session, where that is open.
    """

    def __init__(
        self,
        name: str,
        world: Environment,
        browser: Callable[[], Awaitable[Browser]],
        casting: AccountPool,
        folder: Path,
        *,
        users: int,
        concurrency: int,
        journeys: int = 1,
    ) -> None:
        self.name = name
        self.world = world
        self.casting = casting
        self.users = users
        self.concurrency = concurrency
        self.journeys = journeys
        self.findings: list[ScenarioFinding] = []
        self._limit: asyncio.Timeout | None = None
        #: Set when the scenario could not go on, and nothing that the platform answered is the reason.
        self.stalled = False
        self._tried_again = False
        self._wrong_answers: list[str] = []
        self._browser = browser
        self._folder = folder
        self._sessions: list[Session] = []
        self._count = 0

    async def play(self, scenario: Scenario) -> None:
        """Play *scenario*. Raises TimeoutError when a step of it takes longer than any step may."""
        async with asyncio.timeout(None) as self._limit:
            self.allow()
            await scenario.play(self)

    def allow(self, extra_s: float = 0.0) -> None:
        """Give the next step its time, counted from now.

        Args:
            extra_s: seconds that it waits on purpose.
        """
        if self._limit is not None and not self._limit.expired():
            until = asyncio.get_running_loop().time() + STEP_WITHIN_S + extra_s
            self._limit.reschedule(max(until, self._limit.when() or 0.0))

    @property
    def may_be_replayed(self) -> bool:
        """Whether the scenario stalled and no part of it was played twice yet."""
        return self.stalled and not self._tried_again

    @property
    def treatment(self) -> str:
        """A group that is not control."""
        feature = self.world.plan.experiment.features[0]
        return next(group for group in feature.groups if group != feature.control)

    @property
    def control(self) -> str:
        """The control group."""
        return self.world.plan.experiment.features[0].control

    @asynccontextmanager
    async def session(self, account: TestAccount | None, *, pinned: bool = True) -> AsyncIterator[Session]:
        """Open a browser for *account* and log in; None stays anonymous.

        Args:
            account: that logs in.
            pinned: pin the main menu first, so that the element is there.
        """
        self.allow()
        browser = await self._browser()
        context = await browser.new_context(viewport={"width": 1280, "height": 800})
        await context.add_init_script(path=_WITNESS)
        self._count += 1
        session = Session(self.world, context, account, self.name, self._count, self.allow)
        self._sessions.append(session)
        failed_before = self._failed()
        crashed, tracing = True, False
        try:
            # A context has limits of its own for what names none.
            context.set_default_timeout(self.world.page_within_s * 1000)
            await session.log_in()
            # Not before: a trace keeps what is typed in, and nobody's password belongs into a run.
            await context.tracing.start(snapshots=True)
            tracing = True
            if account is not None and pinned:
                await session.pin_menu()
            yield session
            crashed = False
        except Exception as error:
            session.give_up(told_of(error, session.wrong_answers))
            raise
        finally:
            self._sessions.remove(session)
            self._wrong_answers += session.wrong_answers
            if crashed:
                await session.save_evidence(self._evidence())
            broken = crashed or self._failed() > failed_before
            if tracing:
                await self._end_trace(context, session.number, keep=broken)
            # The browser sends what is still on its way before the context is gone.
            try:
                await self.world.recorder.settle(0.2, 3.0)
            finally:
                await context.close()

    async def _end_trace(self, context: BrowserContext, number: int, *, keep: bool) -> None:
        """End the trace; one that is kept holds no cookies."""
        if not keep:
            await context.tracing.stop()
            return
        path = self._evidence() / f"trace-{number}.zip"
        cookies = [str(cookie.get("value", "")) for cookie in await context.cookies()]
        await context.tracing.stop(path=path)
        redact(path, cookies)

    async def check(self, step: str, ok: bool, told: str, layer: str = "instrument") -> bool:
        """Note what was looked at; a failure is kept with screenshots and the console's log."""
        self.allow()
        evidence = ""
        if not ok:
            evidence = str(self._evidence().relative_to(self._folder.parent))
            for session in self._sessions:
                await session.save_evidence(self._evidence() / f"session-{session.number}")
        self.findings.append(ScenarioFinding(self.name, step, ok, layer, told, evidence))
        return ok

    async def together(self, *players: Callable[[], Awaitable[None]]) -> None:
        """Let *players* play side by side, each to its end; one that stalls is played once more.

        Raises:
            Exception: the first that a player ended with, when all have ended.
        """
        ended = await asyncio.gather(*map(self._once_more, players), return_exceptions=True)
        for error in ended:
            if error is not None:
                raise error

    async def _once_more(self, player: Callable[[], Awaitable[None]]) -> None:
        try:
            await player()
        except Exception as error:
            if not is_stall(error):
                raise
            self._tried_again = True
            await player()

    async def broke(self, error: Exception) -> None:
        """Note that the scenario could not be played to its end, and whose trouble that is."""
        layer = layer_of(error, self._wrong_answers)
        self.stalled = layer == "generator" and is_stall(error)
        evidence = self._evidence()
        where = str(evidence.relative_to(self._folder.parent)) if evidence.is_dir() else ""
        told = told_of(error, self._wrong_answers)
        self.findings.append(ScenarioFinding(self.name, "play to the end", False, layer, told, where))

    def groups(self) -> Sequence[str]:
        """Return the experiment's groups."""
        return self.world.plan.experiment.groups

    def _failed(self) -> int:
        return sum(not finding.ok for finding in self.findings)

    def _evidence(self) -> Path:
        return self._folder / self.name
