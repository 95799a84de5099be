"""The last line of defence in a process that sends: it connects to the target's own addresses and to nothing else.

Options and redirects are checked where they are read. This stands behind all of that: Python tells of every connection
that its sockets are about to make, and one to another address is refused here, whoever asked for it – a redirect, a
proxy from the environment, a name that suddenly resolves elsewhere.
"""

import ipaddress
import sys
from collections.abc import Iterable

from run_record.target import TargetError


class ForbiddenAddressError(ConnectionRefusedError):
    """A connection to an address that the target does not have. Nothing was sent."""


class _Guard:
    """Which addresses this process may connect to; None before it knows its target, when all may be."""

    def __init__(self) -> None:
        self.allowed: frozenset[str] | None = None
        self.installed = False


_guard = _Guard()


def allow_only(addresses: Iterable[str]) -> None:
    """Let this process connect to *addresses* (IP) and to nothing else, from now on. May be called again.

    Raises:
        TargetError: there are none.
    """
    allowed = frozenset(_plain(address) for address in addresses)
    if not allowed:
        raise TargetError("a target without addresses cannot be sent to")
    _guard.allowed = allowed
    if not _guard.installed:
        _guard.installed = True
        # An audit hook stays for as long as the process lives, and nothing can take it out again.
        sys.addaudithook(_look)


def _look(event: str, arguments: tuple[object, ...]) -> None:
    if event not in ("socket.connect", "socket.sendto") or _guard.allowed is None:
        return
    address = arguments[1]
    # Sockets of this machine's own, without an address of the network, have a path instead.
    if isinstance(address, tuple) and _plain(str(address[0])) not in _guard.allowed:
        raise ForbiddenAddressError(
            f"{address[0]} is no address of the target: nothing is sent there (it has "
            f"{', '.join(sorted(_guard.allowed))})"
        )


def _plain(address: str) -> str:
    """Return an IP address in its one normal form; an IPv4 one that is dressed up as IPv6 is undressed."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)
