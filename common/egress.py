"""The egress policy: the addresses that a run may connect to, its tag, and whether it may send.

Every process that opens a connection uses the same policy. Names are resolved once and pinned: later changes in DNS
are ignored. `common.http` has the clients, `traffic.egress_guard` enforces the policy on a whole
process, and Chromium gets it as host rules.
"""

import ipaddress
import socket
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Self
from urllib.parse import urlsplit

from common.errors import DogfoodError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Returns the IP addresses of a host, or raises OSError.
Resolver = Callable[[str], Iterable[str]]

#: Methods that change nothing: the only ones allowed on a production target before it is confirmed.
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

#: User agent of the kit where it does not act as a browser.
AGENT = "experiment-dogfood-kit"


class EgressError(DogfoodError):
    """The policy does not allow a connection or a request. Nothing was sent."""

    page = "docs/design/security.md"


def system_resolver(host: str) -> tuple[str, ...]:
    """Return the IP addresses of *host* in the order of the operating system's resolver. Raises OSError."""
    results = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]).partition("%")[0] for *_, address in results))


def plain_address(address: str) -> str:
    """Return an IP address in its canonical form, an IPv4-mapped one as IPv4; other text is returned unchanged."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)


@dataclass(frozen=True, slots=True)
class Egress:
    """The destinations that connections may have, and what may be sent to them.

    Attributes:
        name: name of the target, for messages.
        pins: IP addresses of each allowed host, in the order in which they are tried.
        networks: networks whose IP addresses are allowed without a host name.
        tag: end of the user agent of every request; may be empty.
        sends: whether requests may change anything; false for a production target that was not confirmed.
    """

    name: str
    pins: Mapping[str, tuple[str, ...]]
    networks: tuple[Network, ...] = ()
    tag: str = ""
    sends: bool = True

    @classmethod
    def resolve(
        cls,
        name: str,
        hosts: Iterable[str],
        *,
        optional: Iterable[str] = (),
        networks: tuple[Network, ...] = (),
        tag: str = "",
        sends: bool = True,
        resolver: Resolver = system_resolver,
    ) -> Self:
        """Resolve *hosts* once and return the policy that pins them.

        Args:
            name: name of the target.
            hosts: hosts that have to resolve.
            optional: hosts that are left out when they do not resolve.
            networks: networks that have to contain every address; empty allows any address.
            tag: tag of the target.
            sends: whether requests may change anything.
            resolver: returns the addresses of a host.

        Raises:
            EgressError: a host does not resolve, or has an address outside *networks*.
        """
        pins: dict[str, tuple[str, ...]] = {}
        required = {host.lower() for host in hosts}
        for host in sorted(required | {host.lower() for host in optional}):
            try:
                pins[host] = tuple(plain_address(text) for text in resolver(host))
            except OSError as error:
                if host in required:
                    raise EgressError(f"the host {host!r} is not known: {error.strerror or error}") from error
        if missing := sorted(host for host in required if not pins.get(host)):
            raise EgressError(f"the host {missing[0]!r} is not known: it has no address")
        policy = cls(name, pins, tag=tag, sends=sends)
        policy.require(networks)
        return policy

    @classmethod
    def to_url(cls, url: str, *, resolver: Resolver = system_resolver) -> Self:
        """Return the policy that allows the host of *url* only. Raises EgressError."""
        return cls.resolve(url, [urlsplit(url).hostname or ""], resolver=resolver)

    @property
    def addresses(self) -> frozenset[str]:
        """All IP addresses that are pinned."""
        return frozenset(address for addresses in self.pins.values() for address in addresses)

    @property
    def agent(self) -> str:
        """The user agent of requests that do not act as a browser."""
        return f"{AGENT} {self.tag}".strip()

    def require(self, networks: Iterable[Network]) -> None:
        """Refuse pins outside *networks*; empty *networks* allow any. Raises EgressError."""
        allowed = tuple(networks)
        for host, addresses in self.pins.items():
            for text in addresses:
                if allowed and not any(ipaddress.ip_address(text) in network for network in allowed):
                    raise EgressError(
                        f"target {self.name!r}: {host} is at {text} now, outside its networks "
                        f"({', '.join(map(str, allowed))}): nothing was sent. Is DNS right?"
                    )

    def addresses_of(self, host: str) -> tuple[str, ...]:
        """Return the pinned IP addresses of *host*. Raises EgressError when the policy does not name it."""
        addresses = self.pins.get(host.lower().strip("[]"), ())
        return addresses or self._literal(host)

    def answering(self, url: str, timeout_s: float = 5.0) -> str:
        """Return the first pinned address of the host of *url* that accepts a connection, else the first one.

        Raises:
            EgressError: the policy does not name the host.
        """
        parts = urlsplit(url)
        addresses = self.addresses_of(parts.hostname or "")
        for address in addresses if len(addresses) > 1 else ():
            with suppress(OSError):
                port = parts.port or (443 if parts.scheme == "https" else 80)
                socket.create_connection((address, port), timeout=timeout_s).close()
                return address
        return addresses[0]

    def check(self, method: str, url: str) -> None:
        """Refuse a request to an unknown host, or an unconfirmed one that changes something. Raises EgressError."""
        self.addresses_of(urlsplit(url).hostname or "")
        if method.upper() not in _SAFE_METHODS and not self.sends:
            raise EgressError(
                f"target {self.name!r} is production, and it was not confirmed: nothing was sent. "
                f"If you are sure: --confirm {self.name}"
            )

    def tagged(self, tag: str) -> Self:
        """Return a copy of this policy with *tag*."""
        return replace(self, tag=tag)

    def to_json(self) -> dict[str, Any]:
        """Return the pins, for other processes of the same run."""
        return {
            "name": self.name,
            "pins": {host: list(addresses) for host, addresses in self.pins.items()},
            "tag": self.tag,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return the policy that `to_json` wrote. Raises EgressError when *content* is malformed."""
        try:
            pins = {str(host).lower(): tuple(map(plain_address, listed)) for host, listed in content["pins"].items()}
            for addresses in pins.values():
                for address in addresses:
                    ipaddress.ip_address(address)
            return cls(str(content["name"]), pins, tag=str(content["tag"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise EgressError(f"the pinned addresses of the target are malformed: {error}") from error

    def _literal(self, host: str) -> tuple[str, ...]:
        """Return *host* if it is an IP address in the policy's networks. Raises EgressError."""
        text = plain_address(host.strip("[]"))
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            address = None
        if address is None or not any(address in network for network in self.networks):
            named = ", ".join(sorted(self.pins)) or "no host"
            raise EgressError(f"{host!r} is not a host of {self.name!r} (it names {named}): nothing is sent there")
        return (text,)


#: The policy that allows only this machine, for services of the testbed.
LOOPBACK = Egress(
    "this machine",
    {"localhost": ("127.0.0.1", "::1")},
    networks=(ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")),
)
