"""The transport interface: how one request is sent."""

from typing import NamedTuple, Protocol

#: Headers of `navigator.sendBeacon` with a text body.
BEACON_HEADERS = {
    "Content-Type": "text/plain;charset=UTF-8",
    "User-Agent": (
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/132.0.0.0 Safari/537.36"
    ),
}


def beacon_headers(tag: str) -> dict[str, str]:
    """Return a beacon's headers; its user agent ends in the target's *tag*, if any.

    The intake keeps the user agent with each event, so analysts can exclude tagged rows.
    """
    agent = f"{BEACON_HEADERS['User-Agent']} {tag}".strip()
    return {**BEACON_HEADERS, "User-Agent": agent}


class HttpResponse(NamedTuple):
    """The response to one request. *status*: None without one; *reason* then says why."""

    status: int | None
    reason: str
    body: bytes


class Transport(Protocol):
    """Sends one request."""

    def __call__(self, body: bytes) -> HttpResponse:
        """Post *body*. Network errors do not raise."""
