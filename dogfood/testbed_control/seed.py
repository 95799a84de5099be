"""Furnishes the testbed: the kit's experiment in MPIC, and the wiki's accounts and pages."""

import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unicodedata import normalize

import httpx
import orjson

from common.egress import LOOPBACK
from common.errors import KitFaultError
from common.http import open_client
from contracts.assignment import Generation
from contracts.mpic_client import MpicClient
from dogfood.testbed_control.modules import run_module
from dogfood.testbed_control.services import Testbed
from personas.example_experiment import EXPERIMENT, example_experiment, example_instrument
from personas.journeys import EnrolledSubject, enrolled_population, enrolled_subjects
from personas.page_index import Page, index_pages
from run_record.accounts import TestAccount, read_accounts, write_accounts

#: Accounts that HTTP sessions use; a thousand, so that a sample ratio can be judged.
WIKI_ACCOUNTS = 1_000

#: Accounts after those, from which browser sessions take the few they need, by their hash.
BROWSER_ACCOUNTS = 200

_FILE = "accounts.ndjson"
_PARAGRAPHS = 12


def accounts_file(wiki: Path) -> Path:
    """Return where the accounts of the wiki in the folder *wiki* are kept."""
    return wiki / _FILE


def seed(testbed: Testbed) -> None:
    """Give a testbed that has just been started what a visitor needs: the kit's experiment, and the wiki's accounts.

    An experiment that is there already is left as it is.

    Raises:
        DogfoodError: MPIC refuses the experiment, or the wiki's script failed.
    """
    mpic_address = testbed.url("mpic")
    if mpic_address is not None and not _is_there(mpic_address):
        with MpicClient(mpic_address) as mpic:
            register_example_experiment(mpic, Generation.ALPHA)
    if testbed.url("wiki") is not None:
        seed_wiki(testbed.wiki_dir)


def _is_there(mpic_address: str) -> bool:
    """Return whether the experiment is in MPIC, switched on or off; the API does not list what is switched off."""
    try:
        with open_client(LOOPBACK) as client:
            answer = client.get(f"{mpic_address}/experiments/{EXPERIMENT}")
    except httpx.HTTPError as error:
        raise KitFaultError(f"MPIC at {mpic_address} has come up and does not answer: {error}") from error
    return answer.status_code == 200


def register_example_experiment(mpic: MpicClient, generation: Generation) -> None:
    """Create the kit's own experiment and instrument in MPIC, or put them back to what they were. Raises MpicError."""
    mpic.put("instruments", EXPERIMENT, dict(example_instrument()))
    mpic.put("experiments", EXPERIMENT, dict(example_experiment(generation)))


def seed_wiki(wiki: Path) -> tuple[TestAccount, ...]:
    """Return the accounts of the wiki in the folder *wiki*; make them, and the pages, when they are not there.

    Raises:
        KitFaultError: the wiki's script failed.
    """
    path = accounts_file(wiki)
    people = enrolled_population(WIKI_ACCOUNTS + BROWSER_ACCOUNTS)
    if path.is_file() and len(known := read_accounts(path)) == people.size:
        return known
    # The wiki knows names in Unicode's normal form C only.
    named = {
        normalize("NFC", resident.name): (resident, secrets.token_urlsafe(18)) for resident in enrolled_subjects(people)
    }
    rows = [_page(page) for page in index_pages(people.personas).pages if not page.is_special]
    rows += [_account(resident, password) for resident, password in named.values()]
    said = run_module("filling the wiki", "testbed.wiki.seed", "--folder", str(wiki), given=b"\n".join(rows) + b"\n")
    accounts = tuple(_made(named, said.splitlines()))
    write_accounts(path, accounts)
    return accounts


def _made(named: dict[str, tuple[EnrolledSubject, str]], lines: list[str]) -> Iterator[TestAccount]:
    for line in lines:
        row = orjson.loads(line)
        resident, password = named[row["name"]]
        yield TestAccount(row["name"], password, row["user_id"], row["central_id"], resident.subject)


def _page(page: Page) -> bytes:
    title = f"{page.namespace_name}:{page.title}" if page.namespace_name else page.title
    # Long enough that a window shows only a part of it.
    text = "\n\n".join(
        [f"'''{page.title}''' is a page of the testbed, made to be read by test accounts."] * _PARAGRAPHS
    )
    return orjson.dumps({"kind": "page", "title": title, "text": text, "protected": bool(page.allowed_to_edit)})


def _account(resident: EnrolledSubject, password: str) -> bytes:
    registered = datetime.fromtimestamp(time.time(), UTC) - timedelta(seconds=resident.account_age_s)
    return orjson.dumps(
        {
            "kind": "account", "name": resident.name, "password": password, "groups": resident.persona.groups,
            "edit_count": resident.edit_count, "registered": registered.strftime("%Y%m%d%H%M%S"),
        }
    )  # fmt: skip
