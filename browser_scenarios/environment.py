"""The environment of scenarios: addresses, experiment, accounts, recorder and page-view log."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from browser_scenarios.recorder import Recorder
from common.egress import Egress
from contracts.generation import Generation
from contracts.streams import StreamConfig
from personas.journeys import Journeys
from personas.plan.plan import Plan
from run_record.accounts import TestAccount
from run_record.page_views import PageViewWriter

#: Time limit for a page, and for a step on it, in seconds. It is long because machines are shared.
PAGE_WITHIN_S = 45.0


class Operator(Protocol):
    """Actions that only the operator of a testbed can perform; other targets have no operator."""

    async def forget_configs(self) -> bool:
        """Delete the wiki's cached responses of MPIC; return False when this wiki does not support that."""

    async def fetch_count(self, path: str, fault: str) -> int:
        """Return the number of the wiki's requests for MPIC's list at *path* under *fault* ('' for none)."""

    async def set_api_fault(self, fault: str) -> None:
        """Activate a known fault of MPIC's API; '' deactivates it."""

    async def api_faults(self) -> Sequence[str]:
        """Return the known faults of MPIC's API."""

    async def stop_mpic(self) -> None:
        """Stop MPIC, so that it refuses connections."""

    async def start_mpic(self) -> None:
        """Start MPIC again on the same port."""


@dataclass(frozen=True)
class Environment:
    """The systems under test and the run.

    Attributes:
        plan: plan of the run, with the experiment and instrument under test.
        journeys: planned page views of each account.
        wiki, mpic, intake: URLs of the systems.
        egress: policy for connections to the systems.
        streams: stream configs that the wiki exports.
        accounts: accounts that sessions may use.
        visit_of: function from a user's local id to the visit.
        recorder: recorder in front of the intake.
        views: writer of the run's page views.
        operator: operator of the testbed, None for other targets.
        configs_ttl_s: seconds for which the wiki caches a response of MPIC.
        page_within_s: seconds after which a page is requested once more.
        recorded_views: ids of the page views that are written already.
        given_up: reason of each session that the kit could not finish, by the user's local id.
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
    recorded_views: set[str] = field(default_factory=set)
    given_up: dict[int, str] = field(default_factory=dict)

    @property
    def generation(self) -> Generation:
        """Generation of the platform."""
        return self.plan.settings.generation

    @property
    def experiment(self) -> str:
        """Name of the experiment."""
        return self.plan.experiment.name

    @property
    def feature(self) -> str:
        """First feature of the experiment, which decides the group."""
        return self.plan.experiment.features[0].name

    @property
    def stream(self) -> str:
        """Name of the instrument's stream."""
        return self.plan.settings.parsed_instrument().stream_name

    def group_of(self, account: TestAccount) -> str | None:
        """Return the group of *account* by the contract; None outside the sample."""
        return self.plan.group_of(account.user_id, account.central_id)


MAIN_PAGE = "/wiki/Main_Page"
