"""Putting one request on the wire: the seam between what is sent and how."""

from typing import NamedTuple, Protocol

#: What `navigator.sendBeacon` sends for a text body.
BEACON_HEADERS = {
    "Content-Type": "text/plain;charset=UTF-8",
    "User-Agent": (
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/132.0.0.0 Safari/537.36"
    ),
}


def beacon_headers(tag: str) -> dict[str, str]:
    """Return the headers of a beacon whose user agent ends in the target's *tag*, if it has one.

    The intake keeps the user agent with each event, so that analysts can leave tagged rows out.
    """
    agent = f"{BEACON_HEADERS['User-Agent']} {tag}".strip()
    return {**BEACON_HEADERS, "User-Agent": agent}


class HttpResponse(NamedTuple):
    """What came back for one request: status None when nothing did, *reason* then says what happened."""

    status: int | None
    reason: str
    body: bytes


class Transport(Protocol):
    """Puts one request on the wire."""

    def __call__(self, body: bytes) -> HttpResponse:
        """Post *body*. Never raises for what the network does."""
