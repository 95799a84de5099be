"""The addresses of a run's hosts, resolved once and kept in its folder, so that all its processes use the same ones."""

from pathlib import Path

import orjson

from common.atomic_write import atomic_write
from common.egress import Egress, EgressError, Resolver, system_resolver
from run_record.target import Target, TargetError

FILE_NAME = "egress.json"


def write_pins(folder: Path, egress: Egress) -> None:
    """Keep the pinned addresses of *egress* in the run's *folder*."""
    atomic_write(folder / FILE_NAME, orjson.dumps(egress.to_json(), option=orjson.OPT_INDENT_2))


def pinned(folder: Path, target: Target, resolver: Resolver = system_resolver) -> Egress:
    """Return the policy of the run in *folder*: the addresses in its file, or those that resolve now, which are kept.

    Args:
        folder: of the run.
        target: of the run; its hosts and networks limit what the file may name.
        resolver: returns the addresses of a host, where the folder has no file.

    Raises:
        TargetError: the file is damaged or names what the target does not, or a host does not resolve.
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
    if strangers := sorted(egress.pins.keys() - {host.lower() for host in target.hosts}):
        raise TargetError(f"{path} names {strangers[0]!r}, which target {target.name!r} does not: nothing was sent")
    return egress
