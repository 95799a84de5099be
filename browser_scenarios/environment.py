"""What a scenario plays against: addresses, experiment, accounts, and what writes down what happens."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from browser_scenarios.recorder import Recorder
from common.egress import Egress
from contracts.assignment import Generation
from contracts.streams import StreamConfig
from personas.journeys import Journeys
from personas.plan.plan import Plan
from run_record.accounts import TestAccount
from run_record.page_views import PageViewWriter

#: A page, and a step on it, may take so many seconds: machines are shared.
PAGE_WITHIN_S = 45.0


class Operator(Protocol):
    """What only the testbed's operator can do; there is none where the systems are not ours."""

    async def forget_configs(self) -> bool:
        """Let the wiki forget what it has from MPIC; return False when this wiki cannot be made to."""

    async def fetched(self, path: str, how: str) -> int:
        """Return how often the wiki has asked MPIC for the list at *path* while it misbehaved as *how* ('': well)."""

    async def misbehave(self, how: str) -> None:
        """Let MPIC's API misbehave from now on, in one of the known ways; with '' it behaves again."""

    async def misbehaviours(self) -> Sequence[str]:
        """Return the known ways of misbehaving."""

    async def stop_mpic(self) -> None:
        """Stop MPIC, so that connections are refused."""

    async def start_mpic(self) -> None:
        """Start MPIC again, where it was."""


@dataclass(frozen=True)
class Environment:
    """The systems under test and the run.

    Attributes:
        plan: its experiment and instrument are the ones under test.
        journeys: what accounts do.
        wiki, mpic, intake: addresses.
        egress: the policy for connections to them.
        streams: the stream configs that the wiki exports.
        accounts: those that sessions may use.
        visit_of: returns the visit of a user (local id).
        recorder: in front of the intake.
        views: where page views are written down.
        operator: of the testbed, None elsewhere.
        configs_ttl_s: how long the wiki uses an answer of MPIC.
        page_within_s: how long a page may take; then it is asked for once more.
        noted: ids of the page views that were written down.
        given_up: users (local id) whose session the kit did not get to the end of, and why.
    """

    plan: Plan
    journeys: Journeys
    wiki: str
    mpic: str
    intake: str
    egress: Egress
    streams: Mapping[str, StreamConfig]
    accounts: Sequence[TestAccount]
    visit_of: Callable[[int], int]
    recorder: Recorder
    views: PageViewWriter
    operator: Operator | None
    configs_ttl_s: float
    page_within_s: float = PAGE_WITHIN_S
    noted: set[str] = field(default_factory=set)
    given_up: dict[int, str] = field(default_factory=dict)

    @property
    def generation(self) -> Generation:
        """The generation of the platform."""
        return self.plan.settings.generation

    @property
    def experiment(self) -> str:
        """Name of the experiment."""
        return self.plan.experiment.name

    @property
    def feature(self) -> str:
        """The experiment's first feature, which decides the group."""
        return self.plan.experiment.features[0].name

    @property
    def stream(self) -> str:
        """Name of the instrument's stream."""
        return self.plan.settings.parsed_instrument().stream_name

    def group_of(self, account: TestAccount) -> str | None:
        """Return the group that the contract gives *account*, None when it is not in the sample."""
        return self.plan.group_of(account.user_id, account.central_id)


MAIN_PAGE = "/wiki/Main_Page"
