"""Targets: the systems and hosts that a run may send to, and the ceilings of its traffic."""

import ipaddress
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from common.egress import Egress, EgressError, Network, Resolver, system_resolver
from common.errors import DogfoodError

FOLDER = Path(__file__).resolve().parent.parent / "targets"

#: Tags are part of a header of every request: short, and without characters that logs or queries escape.
_TAG = re.compile(r"[a-z0-9][a-z0-9-]{2,49}")

_OPTIONAL = ("wiki", "production", "tag", "networks", "ceilings")


class TargetError(DogfoodError):
    """A target does not exist, cannot be read, or does not allow the requested traffic."""

    page = "docs/reference/targets.md"


@dataclass(frozen=True, slots=True)
class Ceilings:
    """The limits of all concurrent runs on a target together; infinite where the target sets none.

    Attributes:
        rate: events per second.
        events: number of events.
        seconds: duration from the first event to the last.
    """

    rate: float = math.inf
    events: float = math.inf
    seconds: float = math.inf

    @classmethod
    def from_toml(cls, path: Path, content: object) -> Self:
        """Return the ceilings in a target's table. Raises TargetError."""
        known = [item.name for item in fields(cls)]
        if not isinstance(content, dict) or content.keys() - set(known):
            raise TargetError(f"{path}: ceilings is a table of {', '.join(known)}")
        for name, value in content.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
                raise TargetError(f"{path}: ceilings.{name} has to be a number above 0")
        return cls(**{name: float(value) for name, value in content.items()})

    def check(self, target: str, *, rate: float = 0.0, events: float = 0.0, seconds: float = 0.0) -> None:
        """Refuse values above a ceiling of the target *target*. Raises TargetError."""
        for name, value, most, unit in (
            ("rate", rate, self.rate, "events/s"),
            ("number of events", events, self.events, "events"),
            ("duration", seconds, self.seconds, "s"),
        ):
            # A rate computed from a mean may be off in its last digits.
            if value > most * (1 + 1e-9):
                raise TargetError(
                    f"target {target!r} allows a {name} of {most:,g} {unit}, not {value:,.6g}: nothing was sent; "
                    "lower it"
                )


@dataclass(frozen=True, slots=True)
class Target:
    """The systems under test.

    Attributes:
        name: the file's name without `.toml`.
        description: one line for people.
        intake: URL to which events are posted.
        mpic: base URL of the configuration service.
        hosts: allowed host names; every URL has to have one of them.
        wiki: base URL of the wiki; empty without one.
        production: whether real readers depend on it. A run then has to be confirmed by the target's name, and the
            target has to set every ceiling, a tag and the networks.
        tag: part of the user agent of every request, so analysts can exclude it; may be empty.
        networks: networks that have to contain the hosts' addresses; empty allows any address.
        ceilings: limits of the traffic.
    """

    name: str
    description: str
    intake: str
    mpic: str
    hosts: tuple[str, ...]
    wiki: str = ""
    production: bool = False
    tag: str = ""
    networks: tuple[Network, ...] = ()
    ceilings: Ceilings = field(default_factory=Ceilings)

    @classmethod
    def read(cls, name: str, folder: Path = FOLDER) -> Self:
        """Read the target *name* from `<folder>/<name>.toml`, or from the path *name* if that ends with `.toml`.

        Raises:
            TargetError: no such target, not TOML, a field that is missing, unknown or of the wrong type, or a URL
                with a host that the target does not allow.
        """
        path = Path(name) if name.endswith(".toml") else folder / f"{name}.toml"
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            known = ", ".join(sorted(item.stem for item in folder.glob("*.toml"))) or "none"
            raise TargetError(f"no target {name!r} at {path} (known: {known})") from None
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise TargetError(f"{path} cannot be read as TOML: {error}") from error
        return cls._from_toml(path, content)

    @classmethod
    def _from_toml(cls, path: Path, content: dict[str, object]) -> Self:
        known = {item.name for item in fields(cls)} - {"name"}
        if missing := known - set(_OPTIONAL) - content.keys():
            raise TargetError(f"{path}: {', '.join(sorted(missing))} is missing")
        if unknown := content.keys() - known:
            raise TargetError(f"{path}: {', '.join(sorted(unknown))} is not a field of a target")
        hosts = content["hosts"]
        if not isinstance(hosts, list) or not hosts or not all(isinstance(host, str) for host in hosts):
            raise TargetError(f"{path}: hosts has to be a list of host names")
        texts = {key: content[key] for key in known & content.keys() - {"hosts", "production", "networks", "ceilings"}}
        for key, value in texts.items():
            if not isinstance(value, str):
                raise TargetError(f"{path}: {key} has to be a string")
        if not isinstance(production := content.get("production", False), bool):
            raise TargetError(f"{path}: production has to be true or false")
        target = cls(
            name=path.stem, hosts=tuple(hosts), production=production,
            networks=_networks(path, content.get("networks", [])),
            ceilings=Ceilings.from_toml(path, content.get("ceilings", {})), **texts,  # type: ignore[arg-type]
        )  # fmt: skip
        target._check_whole(path, content)
        return target.at()

    def _check_whole(self, path: Path, content: Mapping[str, object]) -> None:
        """Refuse an invalid tag, and a production target without a tag, networks or a ceiling."""
        if self.tag and not _TAG.fullmatch(self.tag):
            raise TargetError(f"{path}: tag has to be 3 to 50 small letters, digits and dashes")
        if not self.production:
            return
        ceilings = content.get("ceilings", {})
        required: dict[str, object] = {"tag": self.tag, "networks": self.networks}
        required |= {f"ceilings.{item.name}": item.name in dict(ceilings) for item in fields(Ceilings)}  # type: ignore[call-overload]
        if missing := [name for name, value in required.items() if not value]:
            raise TargetError(f"{path}: a production target needs {', '.join(missing)}")

    def at(self, *, intake: str | None = None, mpic: str | None = None, wiki: str | None = None) -> Self:
        """Return a copy with other addresses.

        Raises:
            TargetError: an address is not http(s), or its host is not among `hosts`.
        """
        target = replace(self, intake=intake or self.intake, mpic=mpic or self.mpic, wiki=wiki or self.wiki)
        for address in filter(None, (target.intake, target.mpic, target.wiki)):
            target._check(address)
        return target

    def confirmed(self, name: str) -> Self:
        """Return this target if events may be sent to it; a production target has to be confirmed by its *name*.

        Raises:
            TargetError: it is a production target, and *name* is not its name.
        """
        if self.production and name != self.name:
            why = f"not {name!r}" if name else "and it was not confirmed"
            raise TargetError(
                f"target {self.name!r} is production, {why}: nothing was sent. If you are sure: --confirm {self.name}"
            )
        return self

    def egress(self, resolver: Resolver = system_resolver, *, confirm: str | None = None) -> Egress:
        """Return the egress policy of this target: its hosts, resolved and pinned now.

        Args:
            resolver: returns the addresses of a host.
            confirm: the target's name as the user repeated it; None after a call of `confirmed`.

        Raises:
            TargetError: a host of an address does not resolve, or a host has an address outside the networks.
        """
        urls = (self.intake, self.mpic, self.wiki)
        needed = {host for address in urls if address and (host := urlsplit(address).hostname)}
        sends = confirm is None or not self.production or confirm == self.name
        try:
            return Egress.resolve(
                self.name, needed, optional=self.hosts, networks=self.networks, tag=self.tag, sends=sends,
                resolver=resolver,
            )  # fmt: skip
        except EgressError as error:
            raise TargetError(str(error)) from error

    def _check(self, address: str) -> None:
        try:
            parts = urlsplit(address)
            host, _ = parts.hostname, parts.port
        except ValueError as error:
            raise TargetError(f"{address!r} is not an address: {error}") from error
        if parts.scheme not in ("http", "https") or not host or parts.username is not None:
            raise TargetError(f"{address!r} is not an address like http://host:port/path")
        if parts.fragment:
            raise TargetError(f"{address!r} has a fragment, which is never sent: leave out #{parts.fragment}")
        if host not in self.hosts:
            raise TargetError(
                f"target {self.name!r} does not allow the host {host!r} (it names {', '.join(self.hosts)}): "
                f"nothing is sent there"
            )


def _networks(path: Path, content: object) -> tuple[Network, ...]:
    if not isinstance(content, list):
        raise TargetError(f"{path}: networks has to be a list like ['10.0.0.0/8', '2620:0:860::/46']")
    try:
        return tuple(ipaddress.ip_network(text) for text in content)
    except ValueError as error:
        raise TargetError(f"{path}: networks: {error}") from error
