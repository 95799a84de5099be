"""The request for a run: its traffic, its systems and its limits."""

from dataclasses import dataclass
from pathlib import Path

from dogfood.testbed_control.seed import WIKI_ACCOUNTS
from dogfood.testbed_control.services import Testbed
from dogfood.testbed_control.table import OWN_TABLE, TableChoice
from run_record.roster import Fidelity
from traffic.locust_run.options import TrafficOptions

#: Name of the target whose systems are the testbed's.
LOCAL = "local"


@dataclass(frozen=True, slots=True)
class BrowserOptions:
    """Options of browsers.

    Attributes:
        scenarios: names of scenarios; empty for all.
        users: users of a scenario that does not fix their number.
        concurrency: maximum concurrent browser sessions.
        headed: whether to show the windows.
        journeys: times that a user views its pages in one session.
    """

    scenarios: tuple[str, ...] = ("ctr",)
    users: int = 9
    concurrency: int = 3
    headed: bool = False
    journeys: int = 1


@dataclass(frozen=True, slots=True)
class RunRequest:
    """Request for one run.

    Attributes:
        runs: folder of the runs.
        testbed: testbed that the target `local` means.
        traffic: options that decide the events and the target.
        fidelities: sources of the events.
        max_connections: maximum concurrent requests per worker.
        workers: Locust worker processes.
        sessions: accounts that visit the wiki without a browser.
        browser: options of browsers.
        accounts: file of test accounts; None for the testbed's.
        table: table that the testbed fills.
    """

    runs: Path
    testbed: Testbed
    traffic: TrafficOptions
    fidelities: tuple[Fidelity, ...] = (Fidelity.SYNTHETIC,)
    max_connections: int = 1000
    workers: int = 1
    sessions: int = WIKI_ACCOUNTS
    browser: BrowserOptions = BrowserOptions()
    accounts: Path | None = None
    table: TableChoice = OWN_TABLE

    @property
    def on_wiki(self) -> bool:
        """Whether the run visits the wiki."""
        return any(fidelity is not Fidelity.SYNTHETIC for fidelity in self.fidelities)
