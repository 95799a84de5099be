"""Check of one account's log-in: the wiki accepts its password and knows it by the ids of the accounts' file."""

from collections.abc import Iterator, Mapping

import httpx
import orjson

from common.egress import Egress
from common.http import open_client
from dogfood.doctor.diagnosis import Diagnosis, fine, missing, unknown
from run_record.accounts import TestAccount
from run_record.target import Target
from traffic.wiki_sessions.wiki_session import WikiError, log_in

_PAGE = "docs/guide/testwiki.md"
_WHO = "/api.php?action=query&meta=userinfo&uiprop=centralids&format=json"


def examine_log_in(
    account: TestAccount, target: Target, egress: Egress, transport: httpx.BaseTransport | None = None
) -> Iterator[Diagnosis]:
    """Log *account* in to the wiki of *target* and compare its ids.

    Args:
        account: account to log in.
        target: target with the wiki.
        egress: policy for connections to it.
        transport: transport of the requests, for tests.
    """
    if not target.wiki:
        yield unknown(
            "accounts", "log-in", f"target {target.name!r} names no wiki", "add one to it", "docs/reference/targets.md"
        )
        return
    with open_client(egress, transport=transport) as client:
        wiki = _Wiki(client, target.wiki)
        try:
            log_in(wiki, account, target.wiki)
            yield fine("accounts", "log-in", f"{target.wiki} lets {account.name} in")
            yield _ids(account, wiki.get(_WHO, "who am I"))
        except WikiError as error:
            remedy = "correct the password, or the account on the wiki; it must not need a second factor"
            yield missing("accounts", "log-in", str(error), remedy, _PAGE)


class _Wiki:
    """Client for the wiki's API: keeps cookies, follows no redirects."""

    def __init__(self, client: httpx.Client, address: str) -> None:
        self._client, self._address = client, address

    def get(self, path: str, label: str) -> str:
        return self._text(self._client.build_request("GET", self._address + path), label)

    def post(self, path: str, fields: Mapping[str, str], label: str) -> str:
        return self._text(self._client.build_request("POST", self._address + path, data=dict(fields)), label)

    def forget(self) -> None:
        self._client.cookies.clear()

    def _text(self, request: httpx.Request, label: str) -> str:
        try:
            response = self._client.send(request)
        except httpx.TransportError as error:
            raise WikiError(f"{label}: {self._address} does not answer ({error})") from error
        if response.status_code != 200:
            raise WikiError(f"{label}: {self._address} answered {response.status_code}")
        return response.text


def _ids(account: TestAccount, response: str) -> Diagnosis:
    """Compare the ids of the accounts' file, which decide the groups, with the wiki's."""
    try:
        who = orjson.loads(response)["query"]["userinfo"]
        user_id, central_ids = int(who["id"]), {int(number) for number in dict(who.get("centralids") or {}).values()}
    except (ValueError, TypeError, KeyError):
        raise WikiError(f"the wiki does not return the ids of {account.name}: {response[:80]!r}") from None
    wrong = []
    if user_id != account.user_id:
        wrong.append(f"user_id {account.user_id} is {user_id} on the wiki")
    if central_ids and account.central_id not in central_ids:
        wrong.append(f"central_id {account.central_id} is {' or '.join(map(str, sorted(central_ids)))} there")
    if wrong:
        return missing(
            "accounts", "ids", f"{account.name}: {', '.join(wrong)}",
            "correct the file: the group follows from the id", _PAGE,
        )  # fmt: skip
    return fine("accounts", "ids", f"the wiki knows {account.name} as user {user_id}, as the file does")
