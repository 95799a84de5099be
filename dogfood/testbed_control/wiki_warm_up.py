"""Warm-up of the wiki: fill its cold caches before the first visit."""

import httpx

from common.egress import Egress
from common.errors import KitFaultError
from common.http import open_client
from run_record.accounts import TestAccount

#: Seconds that the first responses of a wiki may take on a busy machine.
_TIMEOUT_S = 180.0

#: The start-up module, which names all others, and two pages.
_PATHS = (
    "/load.php?modules=startup&only=scripts&raw=1&skin=vector-2022&lang=en",
    "/index.php?title=Special:UserLogin",
    "/wiki/Main_Page",
)


def warm_wiki(wiki: str, egress: Egress, account: TestAccount | None, timeout_s: float = _TIMEOUT_S) -> None:
    """Request the *wiki*'s start-up module, pages, and a page as *account*.

    The responses are ignored: the run judges them.

    Raises:
        KitFaultError: a request got no response within *timeout_s* seconds, twice.
    """
    with open_client(egress, timeout_s=timeout_s, base_url=wiki) as client:
        for path in _PATHS:
            _request(client, "GET", path)
        if account is not None:
            _log_in(client, account)
            _request(client, "GET", "/wiki/Main_Page")


def _log_in(client: httpx.Client, account: TestAccount) -> None:
    """Log *account* in; ignore a refusal, which the run reports."""
    query = {"action": "query", "meta": "tokens", "type": "login", "format": "json"}
    response = _request(client, "GET", "/api.php", params=query)
    try:
        token = response.json()["query"]["tokens"]["logintoken"]
    except (ValueError, KeyError, TypeError):
        return
    form = {
        "action": "clientlogin", "format": "json", "username": account.name, "password": account.password,
        "loginreturnurl": str(client.base_url), "logintoken": str(token),
    }  # fmt: skip
    _request(client, "POST", "/api.php", data=form)


def _request(client: httpx.Client, method: str, path: str, **fields: dict[str, str]) -> httpx.Response:
    try:
        try:
            return client.request(method, path, **fields)  # type: ignore[arg-type]
        except httpx.TransportError:
            return client.request(method, path, **fields)  # type: ignore[arg-type]
    except httpx.TransportError as error:
        address = f"{client.base_url} does not answer {path.partition('?')[0]} ({type(error).__name__})"
        raise KitFaultError(f"the wiki at {address}; see `dogfood status`, or free the machine") from error
