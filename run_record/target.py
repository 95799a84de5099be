"""A target: which systems a run may talk to. Nothing is sent to a host that the target does not name."""

import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from metrics_platform.errors import DogfoodError

FOLDER = Path(__file__).resolve().parent.parent / "targets"


class TargetError(DogfoodError):
    """A target that does not exist, cannot be read, or does not allow an address."""

    page = "docs/targets.md"


@dataclass(frozen=True, slots=True)
class Target:
    """The systems under test.

    Attributes:
        name: the file's name without `.toml`.
        description: one line for people.
        intake: where events are posted, with path.
        mpic: base address of the configuration service.
        hosts: the host names that may be sent to; every address has to be on one of them.
        wiki: base address of the wiki; empty where there is none to visit.
    """

    name: str
    description: str
    intake: str
    mpic: str
    hosts: tuple[str, ...]
    wiki: str = ""

    @classmethod
    def read(cls, name: str, folder: Path = FOLDER) -> Self:
        """Read the target *name* from `<folder>/<name>.toml`, or from *name* itself when it is a path to one.

        Raises:
            TargetError: no such target, not TOML, a field missing, unknown or of the wrong type, or an address
                on a host that the target does not name.
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
        wanted = {item.name for item in fields(cls)} - {"name"}
        if missing := wanted - {"wiki"} - content.keys():
            raise TargetError(f"{path}: {', '.join(sorted(missing))} is missing")
        if unknown := content.keys() - wanted:
            raise TargetError(f"{path}: {', '.join(sorted(unknown))} is not a field of a target")
        hosts = content["hosts"]
        if not isinstance(hosts, list) or not hosts or not all(isinstance(host, str) for host in hosts):
            raise TargetError(f"{path}: hosts has to be a list of host names")
        texts = {key: content[key] for key in wanted & content.keys() - {"hosts"}}
        for key, value in texts.items():
            if not isinstance(value, str):
                raise TargetError(f"{path}: {key} has to be a string")
        target = cls(name=path.stem, hosts=tuple(hosts), **texts)  # type: ignore[arg-type]
        return target.at()

    def at(self, *, intake: str | None = None, mpic: str | None = None, wiki: str | None = None) -> Self:
        """Return this target with other addresses, as far as it allows their hosts.

        Raises:
            TargetError: an address is not http(s), or its host is not one of `hosts`.
        """
        moved = replace(self, intake=intake or self.intake, mpic=mpic or self.mpic, wiki=wiki or self.wiki)
        for address in filter(None, (moved.intake, moved.mpic, moved.wiki)):
            moved._check(address)
        return moved

    def _check(self, address: str) -> None:
        try:
            parts = urlsplit(address)
            host, _ = parts.hostname, parts.port
        except ValueError as error:
            raise TargetError(f"{address!r} is not an address: {error}") from error
        if parts.scheme not in ("http", "https") or not host or parts.username is not None:
            raise TargetError(f"{address!r} is not an address like http://host:port/path")
        if host not in self.hosts:
            raise TargetError(
                f"target {self.name!r} does not allow the host {host!r} (it names {', '.join(self.hosts)}): "
                f"nothing is sent there"
            )
