"""The context of a running scenario: sessions, accounts by group, time limits, and findings."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, BrowserContext

from browser_scenarios.environment import Environment
from browser_scenarios.failure_cause import NoAccountError, failure_summary, is_stall, layer_of
from browser_scenarios.redaction import redact
from browser_scenarios.scenario import Scenario
from browser_scenarios.session import Session
from run_record.accounts import TestAccount
from run_record.scenario_findings import ScenarioFinding

#: Time limit of a step in seconds, without intended waits. A scenario has no other limit.
STEP_WITHIN_S = 180.0

_PAGE_PROBE = Path(__file__).with_name("page_probe.js")


class AccountPool:
    """Hands out accounts, each once, by the group that their hash predicts; it never uses an override."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._free: dict[str | None, list[TestAccount]] = {}
        for account in environment.accounts:
            self._free.setdefault(environment.group_of(account), []).append(account)

    def take(self, group: str | None) -> TestAccount:
        """Return an unused account of *group*; None means outside the sample. Raises NoAccountError."""
        free = self._free.get(group)
        if not free:
            group_text = "outside the sample" if group is None else f"in group {group!r}"
            raise NoAccountError(
                f"no account {group_text} is left: seed more accounts, or play fewer scenarios in one run"
            )
        return free.pop(0)

    def mix(self, count: int) -> list[TestAccount]:
        """Return *count* accounts, spread as evenly as possible over all groups and "not in the sample".

        A group with too few accounts is replaced by the others. Raises NoAccountError when all groups have too few.
        """
        kinds = [kind for kind in (*self._environment.plan.experiment.groups, None) if self._free.get(kind)]
        left = sum(len(self._free[kind]) for kind in kinds)
        if count > left:
            raise NoAccountError(f"{count} accounts wanted, {left} left: seed more, or ask for fewer --users")
        # In each round, one account of each kind that has one left.
        rounds = itertools.zip_longest(*(self._free[kind] for kind in kinds))
        chosen = [account for account in itertools.chain.from_iterable(rounds) if account is not None][:count]
        for account in chosen:
            self._free[self._environment.group_of(account)].remove(account)
        return chosen

    def snapshot(self) -> "AccountPool":
        """Return a copy that hands out the accounts that are unused now."""
        copy = AccountPool.__new__(AccountPool)
        copy._environment = self._environment
        copy._free = {group: list(accounts) for group, accounts in self._free.items()}
        return copy


class ScenarioContext:
    """The context of one scenario.

    Args:
        name: name of the scenario.
        environment: systems under test.
        browser: function that returns the browser for sessions.
        account_pool: pool of accounts.
        folder: folder for screenshots, traces and console logs of failed steps.
        users: number of users, where the scenario leaves it open.
        concurrency: maximum concurrent sessions.
        journeys: repetitions of each user's journey in one session, where the scenario leaves it open.
    """

    def __init__(
        self,
        name: str,
        environment: Environment,
        browser: Callable[[], Awaitable[Browser]],
        account_pool: AccountPool,
        folder: Path,
        *,
        users: int,
        concurrency: int,
        journeys: int = 1,
    ) -> None:
        self.name = name
        self.environment = environment
        self.account_pool = account_pool
        self.users = users
        self.concurrency = concurrency
        self.journeys = journeys
        self.findings: list[ScenarioFinding] = []
        self._deadline: asyncio.Timeout | None = None
        #: Whether the scenario stalled, and the platform's responses are not the reason.
        self.stalled = False
        self._repeated = False
        self._wrong_answers: list[str] = []
        self._browser = browser
        self._folder = folder
        self._sessions: list[Session] = []
        self._count = 0

    async def play(self, scenario: Scenario) -> None:
        """Play *scenario*. Raises TimeoutError when a step exceeds its time limit."""
        async with asyncio.timeout(None) as self._deadline:
            self.extend_deadline()
            await scenario.play(self)

    def extend_deadline(self, extra_s: float = 0.0) -> None:
        """Extend the time limit to that of the next step, counted from now.

        Args:
            extra_s: seconds that the step waits intentionally.
        """
        if self._deadline is not None and not self._deadline.expired():
            until = asyncio.get_running_loop().time() + STEP_WITHIN_S + extra_s
            self._deadline.reschedule(max(until, self._deadline.when() or 0.0))

    @property
    def may_be_repeated(self) -> bool:
        """Whether the scenario stalled and no part of it was repeated."""
        return self.stalled and not self._repeated

    @property
    def treatment(self) -> str:
        """A group other than control."""
        feature = self.environment.plan.experiment.features[0]
        return next(group for group in feature.groups if group != feature.control)

    @property
    def control(self) -> str:
        """The control group."""
        return self.environment.plan.experiment.features[0].control

    @asynccontextmanager
    async def session(self, account: TestAccount | None, *, pinned: bool = True) -> AsyncIterator[Session]:
        """Open a browser session for *account* and log in; None stays anonymous.

        Args:
            account: account that logs in.
            pinned: pin the main menu first, so that the page has the element.
        """
        self.extend_deadline()
        browser = await self._browser()
        context = await browser.new_context(viewport={"width": 1280, "height": 800})
        await context.add_init_script(path=_PAGE_PROBE)
        self._count += 1
        session = Session(self.environment, context, account, self.name, self._count, self.extend_deadline)
        self._sessions.append(session)
        failed_before = self._failed()
        failed, tracing = True, False
        try:
            # Playwright's default applies to calls without a time limit.
            context.set_default_timeout(self.environment.page_within_s * 1000)
            await session.log_in()
            # Only after the login: a trace contains typed text, and a run must not contain passwords.
            await context.tracing.start(snapshots=True)
            tracing = True
            if account is not None and pinned:
                await session.pin_menu()
            yield session
            failed = False
        except Exception as error:
            session.give_up(failure_summary(error, session.wrong_answers))
            raise
        finally:
            self._sessions.remove(session)
            self._wrong_answers += session.wrong_answers
            if failed:
                await session.save_evidence(self._evidence())
            broken = failed or self._failed() > failed_before
            if tracing:
                await self._stop_trace(context, session.number, keep=broken)
            # Let the browser send pending events before the context closes.
            try:
                await self.environment.recorder.settle(0.2, 3.0)
            finally:
                await context.close()

    async def _stop_trace(self, context: BrowserContext, number: int, *, keep: bool) -> None:
        """Stop the trace; a kept trace has its cookies removed."""
        if not keep:
            await context.tracing.stop()
            return
        path = self._evidence() / f"trace-{number}.zip"
        cookies = [str(cookie.get("value", "")) for cookie in await context.cookies()]
        await context.tracing.stop(path=path)
        redact(path, cookies)

    async def check(self, step: str, ok: bool, detail: str, layer: str = "instrument") -> bool:
        """Record the result of a step; save screenshots and the console log of a failure. Return *ok*."""
        self.extend_deadline()
        evidence = ""
        if not ok:
            evidence = str(self._evidence().relative_to(self._folder.parent))
            for session in self._sessions:
                await session.save_evidence(self._evidence() / f"session-{session.number}")
        self.findings.append(ScenarioFinding(self.name, step, ok, layer, detail, evidence))
        return ok

    async def run_concurrently(self, *tasks: Callable[[], Awaitable[None]]) -> None:
        """Run *tasks* concurrently, each to its end; a task that stalls is repeated once.

        Raises:
            Exception: the first task's exception, after all have ended.
        """
        outcomes = await asyncio.gather(*map(self._with_retry, tasks), return_exceptions=True)
        for error in outcomes:
            if error is not None:
                raise error

    async def _with_retry(self, task: Callable[[], Awaitable[None]]) -> None:
        try:
            await task()
        except Exception as error:
            if not is_stall(error):
                raise
            self._repeated = True
            await task()

    async def record_failure(self, error: Exception) -> None:
        """Record that *error* ended the scenario early, and the layer at fault."""
        layer = layer_of(error, self._wrong_answers)
        self.stalled = layer == "generator" and is_stall(error)
        folder = self._evidence()
        evidence = str(folder.relative_to(self._folder.parent)) if folder.is_dir() else ""
        detail = failure_summary(error, self._wrong_answers)
        self.findings.append(ScenarioFinding(self.name, "play to the end", False, layer, detail, evidence))

    def groups(self) -> Sequence[str]:
        """Return the experiment's groups."""
        return self.environment.plan.experiment.groups

    def _failed(self) -> int:
        return sum(not finding.ok for finding in self.findings)

    def _evidence(self) -> Path:
        return self._folder / self.name
