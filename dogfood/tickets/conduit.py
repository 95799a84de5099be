"""Client for Conduit, Phabricator's API: form-encoded in PHP's way, errors inside answers of status 200."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Self
from urllib.parse import SplitResult, urlsplit

import httpx
import orjson

from common.egress import Egress, EgressError, Resolver, system_resolver
from common.errors import DogfoodError
from common.http import open_client

#: The environment variable with the API token.
TOKEN_VARIABLE = "PHABRICATOR_TOKEN"  # noqa: S105 – a variable's name, no secret

#: Most results that one search answers.
PAGE = 100

#: Searches end here even when the server always names a next page.
_MOST_PAGES = 100

#: Letters that no encoding changes, so that a token is recognised wherever the server repeats it.
_TOKEN = re.compile(r"[A-Za-z0-9-]{32}")
_TIMEOUT_S = 30.0
_LONGEST_SAYING = 300
_LOOPBACK = ("127.0.0.1", "localhost", "::1")

#: What a parameter may be. PHP's encoding has no way to write an empty list, and none of Conduit's calls here needs it.
Value = str | int | Mapping[str, "Value"] | Sequence["Value"]


class ConduitError(DogfoodError):
    """Phabricator does not answer, refuses, or answers what it should not."""


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
    """Calls the methods of one Phabricator, one after the other, not faster than it is told to.

    Args:
        url: the Phabricator's address.
        token: API token. It is sent in the body, and appears in no message: even what the server says is searched
            for it, because Phabricator repeats a token that it does not like.
        pause_s: seconds between calls.
        sleep: how to pause; for tests.
        transport: how requests are made; for tests.
        resolver: returns the addresses of a host; asked once, before the first call.

    Raises:
        ConduitError: the address or the token cannot be one.
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
            ConduitError: no answer, an answer that is none of Conduit's, or an error of the method. After no answer
                nobody knows whether the call was carried out.
        """
        if self._called:
            self._sleep(self._pause_s)
        self._called = True
        form = dict(form_pairs({**parameters, "output": "json", "api.token": self._token}))
        try:
            answer = self._opened().post(f"{self.url}/api/{method}", data=form)
        except (httpx.HTTPError, EgressError) as error:
            # Without the cause: a traceback must not show a request, and with it the token.
            raise ConduitError(f"{self.url} does not answer {method}: {self._safe(str(error))}") from None
        return self._result(method, answer)

    def search(self, method: str, constraints: Mapping[str, Value]) -> Iterator[Mapping[str, object]]:
        """Yield all that *method*, a `….search`, finds, page by page. Raises ConduitError, as `call` does."""
        after = ""
        for _ in range(_MOST_PAGES):
            page: dict[str, Value] = {"constraints": constraints, "limit": PAGE}
            result = self.call(method, {**page, "after": after} if after else page)
            data = result.get("data")
            if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
                raise ConduitError(f"{method} of {self.url} answered without a list of data: is this a Phabricator?")
            yield from data
            after = self._next(method, result, after)
            if not after:
                return
        raise ConduitError(f"{method} of {self.url} found more than {_MOST_PAGES * PAGE:,}: that cannot be right")

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _opened(self) -> httpx.Client:
        """Return the client, which reaches this Phabricator only. Raises EgressError when its host is not known."""
        if self._client is None:
            egress = Egress.to_url(self.url, resolver=self._resolver)
            self._client = open_client(egress, timeout_s=_TIMEOUT_S, transport=self._transport)
        return self._client

    def _next(self, method: str, result: Mapping[str, object], before: str) -> str:
        cursor = result.get("cursor")
        after = cursor.get("after") if isinstance(cursor, dict) else None
        if after is not None and str(after) == before:
            raise ConduitError(f"{method} of {self.url} names the same page again as the next")
        return "" if after is None else str(after)

    def _result(self, method: str, answer: httpx.Response) -> Mapping[str, object]:
        if answer.is_redirect:
            where = self._safe(answer.headers.get("location", "nowhere"))
            raise ConduitError(
                f"{self.url} redirects {method} to {where}; redirects are not followed, so that the token stays "
                f"where it was meant to go: give the final address"
            )
        try:
            envelope = orjson.loads(answer.content)
        except orjson.JSONDecodeError:
            envelope = None
        if not isinstance(envelope, dict) or "result" not in envelope:
            said = self._safe(answer.text) or "nothing"
            raise ConduitError(f"{method} of {self.url} answered {answer.status_code} and no Conduit result: {said}")
        if code := envelope.get("error_code"):
            info = self._safe(str(envelope.get("error_info") or "no reason given"))
            raise ConduitError(f"{method} of {self.url} failed ({self._safe(str(code))}): {info}{_advice(str(code))}")
        result = envelope["result"]
        if not isinstance(result, dict):
            raise ConduitError(f"{method} of {self.url} answered a result that is no object")
        return result

    def _safe(self, text: str) -> str:
        """Return *text* on one line, of bounded length, without the token."""
        words = " ".join(text.replace(self._token, "[token]").split())
        return "".join(letter for letter in words if letter.isprintable())[:_LONGEST_SAYING]


def _advice(code: str) -> str:
    return f"; look at {TOKEN_VARIABLE}" if code in ("ERR-INVALID-AUTH", "ERR-INVALID-SESSION") else ""


def _checked_url(url: str) -> str:
    parts = _split(url)
    plain = not (parts.query or parts.fragment or parts.username is not None or parts.password is not None)
    if parts.scheme not in ("http", "https") or not parts.hostname or not plain:
        # The address itself is not repeated: someone may have put a password into it.
        raise ConduitError("Phabricator's address has to be like https://phabricator.example.org, nothing more")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise ConduitError(f"http://{parts.hostname} would show the token to everybody on the way: use https")
    return url.rstrip("/").removesuffix("/api")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # Raises when it is none.
    except ValueError:
        return SplitResult("", "", "", "", "")
    return parts


def _checked_token(token: str) -> str:
    token = token.strip()
    if not token:
        raise ConduitError(f"no API token: put one into the environment variable {TOKEN_VARIABLE}")
    if not _TOKEN.fullmatch(token):
        raise ConduitError(
            f"what {TOKEN_VARIABLE} holds is no API token: those have 32 letters, digits and hyphens, "
            f"this has {len(token)} characters"
        )
    return token
