"""What a run is asked for."""

from dataclasses import dataclass
from pathlib import Path

from dogfood.testbed_control.seed import WIKI_ACCOUNTS
from dogfood.testbed_control.services import Testbed
from dogfood.testbed_control.table import OWN_TABLE, TableChoice
from run_record.roster import Fidelity
from traffic.locust_run.options import TrafficOptions

#: The target whose systems are the testbed's.
LOCAL = "local"


@dataclass(frozen=True, slots=True)
class BrowserOptions:
    """How browsers are used.

    Attributes:
        scenarios: names; all when empty.
        users: how many users, where a scenario leaves that open.
        concurrency: sessions at once.
        headed: show the windows.
        journeys: how many times a user reads its pages in one session.
    """

    scenarios: tuple[str, ...] = ("ctr",)
    users: int = 9
    concurrency: int = 3
    headed: bool = False
    journeys: int = 1


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What `dogfood run` was asked for, besides the traffic's own options.

    Attributes:
        runs: folder of the runs.
        testbed: that the target `local` means.
        traffic: what decides the events.
        fidelities: who makes them.
        users: requests under way at once, at most, of a worker.
        workers: Locust processes.
        sessions: accounts that visit the wiki without a browser.
        browser: how browsers are used.
        accounts: file of test accounts; the testbed's own when None.
        table: that the testbed fills.
    """

    runs: Path
    testbed: Testbed
    traffic: TrafficOptions
    fidelities: tuple[Fidelity, ...] = (Fidelity.SYNTHETIC,)
    users: int = 1000
    workers: int = 1
    sessions: int = WIKI_ACCOUNTS
    browser: BrowserOptions = BrowserOptions()
    accounts: Path | None = None
    table: TableChoice = OWN_TABLE

    @property
    def on_wiki(self) -> bool:
        """Whether anybody visits the wiki."""
        return any(fidelity is not Fidelity.SYNTHETIC for fidelity in self.fidelities)
