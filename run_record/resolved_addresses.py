"""The IP addresses of a run's hosts, stored in its folder, so all its processes use the same ones."""

from pathlib import Path

import orjson

from common.atomic_write import atomic_write
from common.egress import Egress, EgressError, Resolver, system_resolver
from run_record.target import Target, TargetError

FILE_NAME = "egress.json"


def write_pins(folder: Path, egress: Egress) -> None:
    """Write the pinned addresses of *egress* to the run's *folder*."""
    atomic_write(folder / FILE_NAME, orjson.dumps(egress.to_json(), option=orjson.OPT_INDENT_2))


def pinned(folder: Path, target: Target, resolver: Resolver = system_resolver) -> Egress:
    """Return the egress policy of the run in *folder*, from its file or, the first time, from the resolver.

    Args:
        folder: folder of the run.
        target: target of the run; its hosts and networks limit the addresses in the file.
        resolver: returns the addresses of a host when the folder has no file.

    Raises:
        TargetError: the file is damaged or has a host that the target has not, or a host does not resolve.
    """
    path = folder / FILE_NAME
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        egress = target.egress(resolver)
        write_pins(folder, egress)
        return egress
    except OSError as error:
        raise TargetError(f"{path} cannot be read: {error.strerror}") from error
    try:
        egress = Egress.from_json(orjson.loads(content)).tagged(target.tag)
        egress.require(target.networks)
    except (EgressError, orjson.JSONDecodeError) as error:
        raise TargetError(f"{path} cannot be used: {error}") from error
    if unknown := sorted(egress.pins.keys() - {host.lower() for host in target.hosts}):
        raise TargetError(f"{path} names {unknown[0]!r}, which target {target.name!r} does not: nothing was sent")
    return egress
