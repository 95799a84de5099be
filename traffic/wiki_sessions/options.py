"""The options of `locustfiles/wiki.py`, and a new run whose visits are sessions on the wiki."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from personas.plan.plan import Plan
from run_record.accounts import TestAccount
from run_record.resolved_addresses import write_pins
from run_record.roster import Account, Fidelity, write_roster
from run_record.run_folder import new_run
from traffic.locust_run.arguments import option_group
from traffic.locust_run.options import TrafficOptions, find_target, new_manifest, new_settings

if TYPE_CHECKING:
    # Importing Locust replaces the standard library's sockets: only its own processes may do that.
    from locust.argument_parser import LocustArgumentParser

#: Maximum page views per account: the wiki serves some dozens of pages per second, and each has the same assignment.
PAGE_VIEWS = 2


def add_wiki_options(parser: "LocustArgumentParser") -> None:
    """Add the options of sessions on the wiki."""
    add = option_group(parser, "sessions on the wiki")
    add("--accounts", default=".testbed/wiki/accounts.ndjson", metavar="FILE",
        help="Test accounts; `dogfood up` creates the file.")  # fmt: skip
    add("--sessions", type=int, default=1000, metavar="N", help="Number of accounts that visit, from the file's start.")
    add("--page-views", type=int, default=PAGE_VIEWS, metavar="N", help="Maximum page views per account.")


def roster_rows(accounts: Iterable[TestAccount], fidelity: Fidelity, first: int, *, chosen: bool) -> list[Account]:
    """Return roster rows for *accounts*; their visits are numbered from *first*."""
    return [
        Account(first + position, fidelity, account.user_id, account.central_id, account.name, chosen)
        for position, account in enumerate(accounts)
    ]


def new_wiki_run(options: TrafficOptions, runs: Path, accounts: Iterable[TestAccount], now_ms: int) -> Path:
    """Create the folder of a run with sessions of *accounts* only. Raises DogfoodError."""
    target = find_target(options)
    egress = target.egress()
    settings = Plan(replace(new_settings(options, target, egress, now_ms=now_ms), visitors=0)).settings
    manifest = new_manifest("", options, target, settings, Fidelity.WIKI)
    folder = new_run(runs)
    write_pins(folder, egress)
    write_roster(folder, roster_rows(accounts, Fidelity.WIKI, 0, chosen=False))
    replace(manifest, run_id=folder.name).write(folder)
    return folder
