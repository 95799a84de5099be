"""Seed the testbed: the kit's experiment in MPIC, and the wiki's accounts and pages."""

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
from contracts.generation import Generation
from contracts.mpic_client import MpicClient
from dogfood.testbed_control.child_processes import run_module
from dogfood.testbed_control.services import Testbed
from personas.example_experiment import EXPERIMENT, example_experiment, example_instrument
from personas.journeys import EnrolledSubject, enrolled_population, enrolled_subjects
from personas.page_index import Page, index_pages
from run_record.accounts import TestAccount, read_accounts, write_accounts

#: Accounts for HTTP sessions: enough to judge a sample ratio.
WIKI_ACCOUNTS = 1_000

#: Further accounts, from which browser sessions choose by hash.
BROWSER_ACCOUNTS = 200

_FILE = "accounts.ndjson"
_PARAGRAPHS = 12


def accounts_file(wiki: Path) -> Path:
    """Return the file of the accounts of the wiki in the folder *wiki*."""
    return wiki / _FILE


def seed(testbed: Testbed) -> None:
    """Register the kit's experiment and create the wiki's accounts in a testbed that just started.

    An existing experiment is not changed.

    Raises:
        DogfoodError: MPIC refuses the experiment, or the wiki's script failed.
    """
    mpic_address = testbed.url("mpic")
    if mpic_address is not None and not _is_registered(mpic_address):
        with MpicClient(mpic_address) as mpic:
            register_example_experiment(mpic, Generation.ALPHA)
    if testbed.url("wiki") is not None:
        seed_wiki(testbed.wiki_dir)


def _is_registered(mpic_address: str) -> bool:
    """Return whether the experiment is in MPIC, on or off; the API lists only experiments that are on."""
    try:
        with open_client(LOOPBACK) as client:
            response = client.get(f"{mpic_address}/experiments/{EXPERIMENT}")
    except httpx.HTTPError as error:
        raise KitFaultError(f"MPIC at {mpic_address} started but does not answer: {error}") from error
    return response.status_code == 200


def register_example_experiment(mpic: MpicClient, generation: Generation) -> None:
    """Create or reset the kit's experiment and instrument in MPIC. Raises MpicError."""
    mpic.put("instruments", EXPERIMENT, dict(example_instrument()))
    mpic.put("experiments", EXPERIMENT, dict(example_experiment(generation)))


def seed_wiki(wiki: Path) -> tuple[TestAccount, ...]:
    """Return the accounts of the wiki in the folder *wiki*; create them and the pages if they are missing.

    Raises:
        KitFaultError: the wiki's script failed.
    """
    path = accounts_file(wiki)
    population = enrolled_population(WIKI_ACCOUNTS + BROWSER_ACCOUNTS)
    if path.is_file() and len(existing := read_accounts(path)) == population.size:
        return existing
    # The wiki normalises names to Unicode's form C.
    by_name = {
        normalize("NFC", subject.name): (subject, secrets.token_urlsafe(18))
        for subject in enrolled_subjects(population)
    }
    rows = [_page(page) for page in index_pages(population.personas).pages if not page.is_special]
    rows += [_account(subject, password) for subject, password in by_name.values()]
    output = run_module("filling the wiki", "testbed.wiki.seed", "--folder", str(wiki), stdin=b"\n".join(rows) + b"\n")
    accounts = tuple(_created(by_name, output.splitlines()))
    write_accounts(path, accounts)
    return accounts


def _created(by_name: dict[str, tuple[EnrolledSubject, str]], lines: list[str]) -> Iterator[TestAccount]:
    for line in lines:
        row = orjson.loads(line)
        subject, password = by_name[row["name"]]
        yield TestAccount(row["name"], password, row["user_id"], row["central_id"], subject.subject)


def _page(page: Page) -> bytes:
    title = f"{page.namespace_name}:{page.title}" if page.namespace_name else page.title
    # Longer than a browser window.
    text = "\n\n".join(
        [f"'''{page.title}''' is a page of the testbed, made to be read by test accounts."] * _PARAGRAPHS
    )
    return orjson.dumps({"kind": "page", "title": title, "text": text, "protected": bool(page.allowed_to_edit)})


def _account(subject: EnrolledSubject, password: str) -> bytes:
    registered = datetime.fromtimestamp(time.time(), UTC) - timedelta(seconds=subject.account_age_s)
    return orjson.dumps(
        {
            "kind": "account", "name": subject.name, "password": password, "groups": subject.persona.groups,
            "edit_count": subject.edit_count, "registered": registered.strftime("%Y%m%d%H%M%S"),
        }
    )  # fmt: skip
