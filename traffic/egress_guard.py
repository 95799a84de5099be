"""The egress guard: a process that sends connects to its target's pinned addresses only.

Options and redirects are checked where they are read. The guard is the last line of defence: a Python audit hook sees
every connection before it is made, and refuses other addresses. Such an address may come from a redirect, from a proxy
in the environment, or from a name that now resolves elsewhere.
"""

import socket
import sys
from collections.abc import Iterable
from typing import Any

from common.egress import Egress, plain_address
from run_record.target import TargetError

#: Audit events before a socket connects, or sends without a connection.
_EVENTS = ("socket.connect", "socket.sendto", "socket.sendmsg")


class ForbiddenAddressError(ConnectionRefusedError):
    """A refused connection to an address outside the target. Nothing was sent."""


class _Guard:
    """The addresses that this process may connect to; None, before its target is known, allows all."""

    def __init__(self) -> None:
        self.allowed: frozenset[str] | None = None
        self.installed = False


_guard = _Guard()


def allow_only(addresses: Iterable[str]) -> None:
    """Allow this process to connect to the IP *addresses* only. A further call replaces them.

    Raises:
        TargetError: *addresses* is empty.
    """
    allowed = frozenset(plain_address(address) for address in addresses)
    if not allowed:
        raise TargetError("the target has no addresses: nothing can be sent")
    _guard.allowed = allowed
    if not _guard.installed:
        _guard.installed = True
        # An audit hook cannot be removed: it stays for the process's lifetime.
        sys.addaudithook(_check_connection)


def _check_connection(event: str, arguments: tuple[object, ...]) -> None:
    if event not in _EVENTS or _guard.allowed is None:
        return
    address = arguments[1]
    # Unix domain sockets have a path instead of a network address.
    if isinstance(address, tuple) and plain_address(str(address[0])) not in _guard.allowed:
        raise ForbiddenAddressError(
            f"{address[0]} is not an address of the target: connection refused (allowed: "
            f"{', '.join(sorted(_guard.allowed))})"
        )


class _PinnedNames:
    """A wrapper of gevent's resolver that returns pinned addresses for the target's hosts."""

    def __init__(self, egress: Egress, resolver: Any) -> None:  # noqa: ANN401 (gevent has no types)
        self._egress, self.resolver = egress, resolver

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (delegates to the resolver)
        return getattr(self.resolver, name)

    def getaddrinfo(self, host: str | bytes, port: object, *arguments: object, **keywords: object) -> list[Any]:
        """Resolve the host's pinned addresses, or the host itself if it has none."""
        text = host.decode() if isinstance(host, bytes) else str(host)
        infos: list[Any] = []
        last_error: OSError | None = None
        for address in self._egress.pins.get(text.lower(), (text,)):
            try:
                infos += self.resolver.getaddrinfo(address, port, *arguments, **keywords)
            except socket.gaierror as error:
                # The address is of another family than requested.
                last_error = error
        if not infos and last_error is not None:
            raise last_error
        return infos


def confine(egress: Egress) -> None:
    """Allow this gevent process to connect to the pinned addresses of *egress* only.

    Gevent's sockets get the pinned addresses of the target's hosts: names are not resolved again.

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
