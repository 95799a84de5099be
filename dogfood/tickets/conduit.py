"""Client for Conduit, Phabricator's API: PHP's form encoding, errors in responses of status 200."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from urllib.parse import SplitResult, urlsplit

import httpx
import orjson

from common.egress import Egress, EgressError, Resolver, system_resolver
from common.errors import DogfoodError
from common.http import open_client

#: The environment variable with the API token.
TOKEN_VARIABLE = "PHABRICATOR_TOKEN"  # noqa: S105 – a variable's name, not a secret

#: Maximum results per page of a search.
PAGE = 100

#: Maximum pages of a search, even when the server always names a next one.
_MAX_PAGES = 100

#: Characters that no encoding changes, so that a repeated token is recognised in any response.
_TOKEN = re.compile(r"[A-Za-z0-9-]{32}")
_TIMEOUT_S = 30.0
_MAX_QUOTE = 300
_LOOPBACK = ("127.0.0.1", "localhost", "::1")

#: A parameter. PHP's encoding cannot express an empty list, and no call here needs one.
Value = str | int | Mapping[str, "Value"] | Sequence["Value"]


class ConduitError(DogfoodError):
    """Phabricator does not answer, refuses, or returns an invalid response."""


def form_pairs(parameters: Mapping[str, Value]) -> list[tuple[str, str]]:
    """Return *parameters* as PHP reads them from a form: `transactions[0][type]` and so on.

    Raises:
        ValueError: an empty list or mapping, which would silently not be sent.
    """
    return [pair for name, value in parameters.items() for pair in _pairs(name, value)]


def _pairs(name: str, value: Value) -> Iterator[tuple[str, str]]:
    if isinstance(value, str | int):
        yield name, str(value)
        return
    inner = value.items() if isinstance(value, Mapping) else enumerate(value)
    if not value:
        raise ValueError(f"{name} is empty and would not be sent")
    for key, item in inner:
        yield from _pairs(f"{name}[{key}]", item)


class Conduit:
    """Calls the methods of one Phabricator, one after the other, with a pause between them.

    Args:
        url: address of the Phabricator.
        token: API token. It is sent in the body and removed from messages: Phabricator repeats a token that it
            rejects.
        pause_s: seconds between calls.
        sleep: function that pauses, for tests.
        transport: transport of the requests, for tests.
        resolver: returns the addresses of a host; called once, before the first call.

    Raises:
        ConduitError: the address or the token is invalid.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        pause_s: float,
        sleep: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
        resolver: Resolver = system_resolver,
    ) -> None:
        self.url = _checked_url(url)
        self._token = _checked_token(token)
        self._pause_s = pause_s
        self._sleep = sleep
        self._called = False
        self._transport, self._resolver = transport, resolver
        self._client: httpx.Client | None = None

    def call(self, method: str, parameters: Mapping[str, Value]) -> Mapping[str, object]:
        """Call *method* and return its result.

        Raises:
            ConduitError: no response, an invalid response, or an error of the method. Without a response, it is not
                known whether the call was carried out.
        """
        if self._called:
            self._sleep(self._pause_s)
        self._called = True
        form = dict(form_pairs({**parameters, "output": "json", "api.token": self._token}))
        try:
            response = self._open().post(f"{self.url}/api/{method}", data=form)
        except (httpx.HTTPError, EgressError) as error:
            # Without the cause: a traceback must not show a request with the token.
            raise ConduitError(f"{self.url} does not answer {method}: {self._safe(str(error))}") from None
        return self._result(method, response)

    def search(self, method: str, constraints: Mapping[str, Value]) -> Iterator[Mapping[str, object]]:
        """Yield all results of *method*, a `….search`, page by page. Raises ConduitError, as `call` does."""
        after = ""
        for _ in range(_MAX_PAGES):
            page: dict[str, Value] = {"constraints": constraints, "limit": PAGE}
            result = self.call(method, {**page, "after": after} if after else page)
            data = result.get("data")
            if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
                raise ConduitError(f"{method} of {self.url} returned no list of data; check that this is a Phabricator")
            yield from data
            after = self._next(method, result, after)
            if not after:
                return
        raise ConduitError(
            f"{method} of {self.url} returned more than {_MAX_PAGES * PAGE:,} results, which cannot be right"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()

    def _open(self) -> httpx.Client:
        """Return the client, which can reach only this Phabricator. Raises EgressError when its host is unknown."""
        if self._client is None:
            egress = Egress.to_url(self.url, resolver=self._resolver)
            self._client = open_client(egress, timeout_s=_TIMEOUT_S, transport=self._transport)
        return self._client

    def _next(self, method: str, result: Mapping[str, object], before: str) -> str:
        cursor = result.get("cursor")
        after = cursor.get("after") if isinstance(cursor, dict) else None
        if after is not None and str(after) == before:
            raise ConduitError(f"{method} of {self.url} names the same page as the next one")
        return "" if after is None else str(after)

    def _result(self, method: str, response: httpx.Response) -> Mapping[str, object]:
        if response.is_redirect:
            location = self._safe(response.headers.get("location", "nowhere"))
            raise ConduitError(
                f"{self.url} redirects {method} to {location}; redirects are not followed, to protect the token: "
                f"give the final address"
            )
        try:
            envelope = orjson.loads(response.content)
        except orjson.JSONDecodeError:
            envelope = None
        if not isinstance(envelope, dict) or "result" not in envelope:
            text = self._safe(response.text) or "empty"
            raise ConduitError(
                f"{method} of {self.url} answered {response.status_code} without a Conduit result: {text}"
            )
        if code := envelope.get("error_code"):
            info = self._safe(str(envelope.get("error_info") or "no reason given"))
            raise ConduitError(f"{method} of {self.url} failed ({self._safe(str(code))}): {info}{_advice(str(code))}")
        result = envelope["result"]
        if not isinstance(result, dict):
            raise ConduitError(f"{method} of {self.url} returned a result that is not an object")
        return result

    def _safe(self, text: str) -> str:
        """Return *text* on one line, of bounded length, without the token."""
        words = " ".join(text.replace(self._token, "[token]").split())
        return "".join(letter for letter in words if letter.isprintable())[:_MAX_QUOTE]


def _advice(code: str) -> str:
    return f"; check {TOKEN_VARIABLE}" if code in ("ERR-INVALID-AUTH", "ERR-INVALID-SESSION") else ""


def _checked_url(url: str) -> str:
    parts = _split(url)
    plain = not (parts.query or parts.fragment or parts.username is not None or parts.password is not None)
    if parts.scheme not in ("http", "https") or not parts.hostname or not plain:
        # The address is not repeated: it may contain a password.
        raise ConduitError(
            "Phabricator's address has to look like https://phabricator.example.org, without user, query or fragment"
        )
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise ConduitError(f"http://{parts.hostname} would send the token unencrypted; use https")
    return url.rstrip("/").removesuffix("/api")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # Raises ValueError for an invalid port.
    except ValueError:
        return SplitResult("", "", "", "", "")
    return parts


def _checked_token(token: str) -> str:
    token = token.strip()
    if not token:
        raise ConduitError(f"no API token; set the environment variable {TOKEN_VARIABLE}")
    if not _TOKEN.fullmatch(token):
        raise ConduitError(
            f"{TOKEN_VARIABLE} is not an API token: those have 32 letters, digits and hyphens, "
            f"this has {len(token)} characters"
        )
    return token
