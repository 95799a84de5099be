"""The stage that a scenario is played on: sessions for it, accounts by their hash, and what it found."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, BrowserContext
from playwright.async_api import Error as PlaywrightError

from browser_scenarios.chromium import BrowserError
from browser_scenarios.redaction import redact
from browser_scenarios.scenario import Scenario
from browser_scenarios.session import Session
from browser_scenarios.world import World
from run_record.accounts import TestAccount
from run_record.findings import Finding

#: No step of a scenario takes longer, besides what it waits on purpose: a scenario has as long as its steps.
STEP_WITHIN_S = 180.0

_WITNESS = Path(__file__).with_name("witness.js")


class NoAccountError(BrowserError):
    """No unused account has the group that a scenario needs."""


class Casting:
    """Gives out accounts by the group that their hash predicts, each once: never by an override."""

    def __init__(self, world: World) -> None:
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
        """Return *count* accounts that cover every group, and "not in the sample", as evenly as they go."""
        kinds = [kind for kind in (*self._world.plan.experiment.groups, None) if self._free.get(kind)]
        order = itertools.islice(itertools.cycle(kinds), count)
        return [self.take(kind) for kind in order]


class Stage:
    """One scenario's stage.

    Args:
        name: of the scenario.
        world: the systems under test.
        browser: that sessions are opened in.
        casting: gives out accounts.
        folder: for what shows a failed step.
        users: how many users the scenario should play, where that is open.
        concurrency: how many sessions at once.
    """

    def __init__(
        self, name: str, world: World, browser: Browser, casting: Casting, folder: Path, *, users: int, concurrency: int
    ) -> None:
        self.name = name
        self.world = world
        self.casting = casting
        self.users = users
        self.concurrency = concurrency
        self.findings: list[Finding] = []
        self._limit: asyncio.Timeout | None = None
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
        context = await self._browser.new_context(viewport={"width": 1280, "height": 800})
        await context.add_init_script(path=_WITNESS)
        self._count += 1
        session = Session(self.world, context, account, self.name, self._count, self.allow)
        self._sessions.append(session)
        failed_before = self._failed()
        crashed, tracing = True, False
        try:
            await session.log_in()
            # Not before: a trace keeps what is typed in, and nobody's password belongs into a run.
            await context.tracing.start(snapshots=True)
            tracing = True
            if account is not None and pinned:
                await session.pin_menu()
            yield session
            crashed = False
        finally:
            self._sessions.remove(session)
            if crashed:
                await session.save_evidence(self._evidence())
            broken = crashed or self._failed() > failed_before
            if tracing:
                await self._end_trace(context, session.number, keep=broken)
            # The browser sends what is still on its way before the context is gone.
            await self.world.recorder.settle(0.2, 3.0)
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
        self.findings.append(Finding(self.name, step, ok, layer, told, evidence))
        return ok

    async def broke(self, error: Exception) -> None:
        """Note that the scenario could not be played to its end."""
        layer = "generator" if isinstance(error, NoAccountError) else "exposure"
        said = str(error).strip().splitlines() or [type(error).__name__]
        evidence = self._evidence()
        where = str(evidence.relative_to(self._folder.parent)) if evidence.is_dir() else ""
        kind = "the browser could not go on" if isinstance(error, PlaywrightError) else "it could not go on"
        self.findings.append(Finding(self.name, "play to the end", False, layer, f"{kind}: {said[0]}", where))

    def groups(self) -> Sequence[str]:
        """Return the experiment's groups."""
        return self.world.plan.experiment.groups

    def _failed(self) -> int:
        return sum(not finding.ok for finding in self.findings)

    def _evidence(self) -> Path:
        return self._folder / self.name
