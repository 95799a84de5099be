"""Requests of a run besides its events: the schemas that the intake knows, and the config of the stream."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import httpx
import orjson

from common.egress import Egress
from common.http import open_client
from common.urls import join_path
from contracts.configs import ConfigError, read_instruments
from contracts.mpic_client import MpicClient, MpicError
from contracts.profiles import profile_of
from contracts.schema_probe import Served, probe_schema
from contracts.streams import read_stream_configs
from run_record.ledger.files import read_ledger
from run_record.manifest import Manifest
from run_record.platform_state import PlatformState
from run_record.run_folder import LEDGER
from run_record.target import Target

_TIMEOUT_S = 30.0


def probe_platform(target: Target, egress: Egress, manifest: Manifest, *, on_wiki: bool) -> PlatformState:
    """Ask the systems of *target* for schemas and configs on which the validity of a run's events depends.

    Raises nothing.

    Args:
        target: target whose intake is asked for the schema, except in production, and whose MPIC for instruments.
        egress: policy for connections to them.
        manifest: the run's manifest.
        on_wiki: whether to ask the wiki for the stream configs too.
    """
    stream, notes = _stream_config(target, egress, manifest.stream) if on_wiki else (None, ())
    return PlatformState(
        _schemas(target, egress, manifest, [profile_of(manifest.generation).schema]),
        stream,
        (*_instrument_notes(target, egress, manifest), *notes),
    )


def probe_schemas_of_ledger(target: Target, egress: Egress, run: Path) -> None:
    """Ask the intake for the other schemas that events of the wiki's pages name, and record the answers.

    Raises:
        DogfoodError: the run's files cannot be read.
    """
    manifest, answers = Manifest.read(run), PlatformState.read(run)
    named = {_schema_of(body) for body in read_ledger(run / LEDGER).bodies.values()} - {"", *answers.schemas}
    if named:
        replace(answers, schemas={**answers.schemas, **_schemas(target, egress, manifest, sorted(named))}).write(run)


def _schemas(target: Target, egress: Egress, manifest: Manifest, uris: Iterable[str]) -> dict[str, Served]:
    if target.production:
        return {}
    return {uri: probe_schema(target.intake, uri, manifest.stream, egress).served for uri in uris}


def _schema_of(body: bytes) -> str:
    event: object = orjson.loads(body)
    uri = event.get("$schema") if isinstance(event, dict) else None
    return uri if isinstance(uri, str) else ""


def _stream_config(target: Target, egress: Egress, stream: str) -> tuple[Mapping[str, object] | None, tuple[str, ...]]:
    """Return the wiki's config of *stream*, None when it is not known, and the faults of other streams."""
    query = {"action": "streamconfigs", "format": "json"}
    try:
        with open_client(egress, timeout_s=_TIMEOUT_S) as client:
            content = client.get(join_path(target.wiki, "api.php"), params=query).json()
        faults = read_stream_configs(content).faults
    except (httpx.HTTPError, ValueError, ConfigError) as error:
        return None, (f"the wiki's stream configs cannot be read: {error}",)
    streams = content["streams"]
    config = streams.get(stream) if isinstance(streams, dict) else None
    own = config if isinstance(config, dict) else None
    return own, tuple(str(error) for name, error in faults.items() if name != stream)


def _instrument_notes(target: Target, egress: Egress, manifest: Manifest) -> tuple[str, ...]:
    """Return the faults of other instruments in MPIC."""
    own = manifest.plan.get("instrument")
    slug = own.get("slug") if isinstance(own, Mapping) else None
    try:
        with MpicClient(target.mpic, egress=egress) as mpic:
            configs = mpic.raw_instruments()
    except MpicError as error:
        return (str(error),)
    numbers = {f"instruments[{number}]" for number, item in enumerate(configs) if _slug(item) == slug}
    faults = read_instruments(configs).faults
    return tuple(str(error) for error in faults if error.field.partition(".")[0] not in numbers)


def _slug(config: object) -> object:
    return config.get("slug") if isinstance(config, Mapping) else None
