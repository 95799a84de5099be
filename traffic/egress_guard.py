"""The policy for the way out, enforced on a whole process that sends: it connects to pinned addresses only.

Options and redirects are checked where they are read. This stands behind all of that: Python reports every connection
that its sockets are about to make, and one to another address is refused here – after a redirect, by a proxy from the
environment, or to a name that resolves elsewhere by now.
"""

import socket
import sys
from collections.abc import Iterable
from typing import Any

from common.egress import Egress, plain_address
from run_record.target import TargetError

#: What Python reports before a socket connects or sends without a connection.
_EVENTS = ("socket.connect", "socket.sendto", "socket.sendmsg")


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
    allowed = frozenset(plain_address(address) for address in addresses)
    if not allowed:
        raise TargetError("a target without addresses cannot be sent to")
    _guard.allowed = allowed
    if not _guard.installed:
        _guard.installed = True
        # An audit hook stays for as long as the process lives, and nothing can take it out again.
        sys.addaudithook(_look)


def _look(event: str, arguments: tuple[object, ...]) -> None:
    if event not in _EVENTS or _guard.allowed is None:
        return
    address = arguments[1]
    # Sockets of this machine's own, without an address of the network, have a path instead.
    if isinstance(address, tuple) and plain_address(str(address[0])) not in _guard.allowed:
        raise ForbiddenAddressError(
            f"{address[0]} is no address of the target: nothing is sent there (it has "
            f"{', '.join(sorted(_guard.allowed))})"
        )


class _PinnedNames:
    """Gevent's resolver, with the pinned addresses for the target's hosts."""

    def __init__(self, egress: Egress, resolver: Any) -> None:  # noqa: ANN401 (gevent has no types)
        self._egress, self.resolver = egress, resolver

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (all other questions are the resolver's)
        return getattr(self.resolver, name)

    def getaddrinfo(self, host: str | bytes, port: object, *how: object, **named: object) -> list[Any]:
        """Return what the resolver says of the host's pinned addresses; of the host itself where it has none."""
        text = host.decode() if isinstance(host, bytes) else str(host)
        found: list[Any] = []
        problem: OSError | None = None
        for address in self._egress.pins.get(text.lower(), (text,)):
            try:
                found += self.resolver.getaddrinfo(address, port, *how, **named)
            except socket.gaierror as error:
                # An address of the family that was not asked for.
                problem = error
        if not found and problem is not None:
            raise problem
        return found


def confine(egress: Egress) -> None:
    """Let this process, in which gevent runs, connect to the pinned addresses of *egress* and to nothing else.

    Names are not resolved again: gevent's sockets get the pinned addresses of the target's hosts.

    Raises:
        TargetError: *egress* has no addresses.
    """
    import gevent

    allow_only(egress.addresses)
    hub = gevent.get_hub()
    resolver = hub.resolver
    if isinstance(resolver, _PinnedNames):
        resolver = resolver.resolver
    hub.resolver = _PinnedNames(egress, resolver)
