"""Asks the wiki for what the first reader needs, before there is one: after a start its caches are cold."""

import httpx

from common.egress import Egress
from common.errors import KitFaultError
from common.http import open_client
from run_record.accounts import TestAccount

#: The first answers of a wiki on a busy machine take long.
_WITHIN_S = 180.0

#: The start-up module, which names all others, and a page.
_PATHS = (
    "/load.php?modules=startup&only=scripts&raw=1&skin=vector-2022&lang=en",
    "/index.php?title=Special:UserLogin",
    "/wiki/Main_Page",
)


def warm_wiki(wiki: str, egress: Egress, account: TestAccount | None, within_s: float = _WITHIN_S) -> None:
    """Ask the *wiki* for its start-up module, for pages, and for a page that *account*, logged in, reads.

    What it answers is not looked at: that is for the run to judge.

    Raises:
        KitFaultError: no answer came within *within_s* seconds, asked for twice.
    """
    with open_client(egress, timeout_s=within_s, base_url=wiki) as client:
        for path in _PATHS:
            _ask(client, "GET", path)
        if account is not None:
            _log_in(client, account)
            _ask(client, "GET", "/wiki/Main_Page")


def _log_in(client: httpx.Client, account: TestAccount) -> None:
    """Log *account* in; when the wiki refuses, the run finds out why."""
    query = {"action": "query", "meta": "tokens", "type": "login", "format": "json"}
    answer = _ask(client, "GET", "/api.php", params=query)
    try:
        token = answer.json()["query"]["tokens"]["logintoken"]
    except (ValueError, KeyError, TypeError):
        return
    form = {
        "action": "clientlogin", "format": "json", "username": account.name, "password": account.password,
        "loginreturnurl": str(client.base_url), "logintoken": str(token),
    }  # fmt: skip
    _ask(client, "POST", "/api.php", data=form)


def _ask(client: httpx.Client, method: str, path: str, **words: dict[str, str]) -> httpx.Response:
    try:
        try:
            return client.request(method, path, **words)  # type: ignore[arg-type]
        except httpx.TransportError:
            return client.request(method, path, **words)  # type: ignore[arg-type]
    except httpx.TransportError as error:
        what = f"{client.base_url} does not answer {path.partition('?')[0]} ({type(error).__name__})"
        raise KitFaultError(f"the wiki at {what}: is it up, and does the machine have time for it?") from error
