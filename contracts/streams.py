"""Stream configs: parse `action=streamconfigs`, merge instruments, sample streams."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts.configs import ConfigError, Instrument
from contracts.profiles import EventProfile

#: The schema of every instrument of MPIC; the wiki ignores MPIC's `schema_title`.
SCHEMA_TITLE = "analytics/product_metrics/web/base"
DESTINATION = "eventgate-analytics-external"
DATA_CENTRES = ("eqiad", "codfw")
ERROR_STREAM = f"{DESTINATION}.error.validation"

#: Sample units of the JavaScript client; with others (MPIC also has `device` and `user`) it sends nothing.
SAMPLE_UNITS = ("pageview", "session")


class Batch(NamedTuple):
    """Complete lines of one part of a topic (a segment or a partition), and the position after them."""

    part: str
    lines: list[bytes]
    position: int


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """One stream.

    Attributes:
        stream: name of the stream.
        schema_title: required title of its events' schema.
        destination_event_service: the intake that accepts its events.
        provide_values: the contextual attributes that clients add.
        sample_rate, sample_unit: stream sampling; None without sampling (all events are sent).
    """

    stream: str
    schema_title: str
    destination_event_service: str = DESTINATION
    provide_values: tuple[str, ...] = ()
    sample_rate: float | None = None
    sample_unit: str | None = None

    @property
    def topics(self) -> tuple[str, ...]:
        """The topic of each data centre."""
        return topics(self.stream)

    def to_json(self) -> dict[str, object]:
        """Return the config in the shape that the wiki exports."""
        content: dict[str, object] = {
            "stream": self.stream,
            "schema_title": self.schema_title,
            "destination_event_service": self.destination_event_service,
            "topics": list(self.topics),
            "producers": {"metrics_platform_client": {"provide_values": list(self.provide_values)}},
        }
        if self.sample_rate is not None:
            content["sample"] = {"rate": self.sample_rate, "unit": self.sample_unit}
        return content


def topic(stream: str, data_centre: str) -> str:
    """Return the name of the topic of *stream* in *data_centre*."""
    return f"{data_centre}.{stream}"


def topics(stream: str) -> tuple[str, ...]:
    """Return the topic of *stream* in each data centre."""
    return tuple(topic(stream, data_centre) for data_centre in DATA_CENTRES)


def parse_stream_configs(payload: object) -> dict[str, StreamConfig]:
    """Return the streams of `{"streams": {name: {...}}}`. Raises ConfigError naming the first invalid field."""
    streams = read_stream_configs(payload)
    for error in streams.faults.values():
        raise error
    return streams.configs


class ReadStreams(NamedTuple):
    """The valid stream configs, and the faults of the others.

    Attributes:
        configs: valid configs by stream.
        faults: errors by stream.
    """

    configs: dict[str, StreamConfig]
    faults: dict[str, ConfigError]


def read_stream_configs(payload: object) -> ReadStreams:
    """Return the valid streams of `{"streams": {name: {...}}}`, and the faults of the others.

    Raises:
        ConfigError: *payload* has another shape.
    """
    if not isinstance(payload, Mapping) or payload.get("streams") is None:
        raise ConfigError("streams", "stream configs have to be an object with a member 'streams'")
    streams = ReadStreams({}, {})
    for name, content in _table(payload["streams"], "streams").items():
        try:
            streams.configs[name] = _parse(name, content)
        except ConfigError as error:
            streams.faults[name] = error
    return streams


def merge(static: Mapping[str, StreamConfig], instruments: Iterable[Instrument], wiki: str) -> dict[str, StreamConfig]:
    """Return the stream configs that the wiki exports: those of active instruments, overridden by *static* ones.

    Of two active instruments with the same stream, the later one applies.

    Args:
        static: stream configs of the wiki's settings.
        instruments: instruments of MPIC; inactive ones are left out.
        wiki: database name, which selects the sample rate.
    """
    merged = {
        instrument.stream_name: StreamConfig(
            stream=instrument.stream_name,
            schema_title=SCHEMA_TITLE,
            provide_values=instrument.contextual_attributes,
            sample_rate=instrument.sample_rate.of(wiki),
            sample_unit=instrument.sample_unit,
        )
        for instrument in instruments
        if instrument.status
    }
    return {**merged, **static}


def client_stream_config(config: StreamConfig, profile: EventProfile) -> StreamConfig:
    """Return *config* as the client of *profile* uses it: without a `sample` field it does not sample streams."""
    return config if profile.has("sample") else replace(config, sample_rate=None, sample_unit=None)


def in_stream_sample(config: StreamConfig, pageview_id: str, session_id: str) -> bool:
    """Return whether the client sends the events of a page view under stream sampling, regardless of enrolment.

    Args:
        config: config of the stream; without a sample all events are sent, with an unknown unit none.
        pageview_id, session_id: tokens of 20 hex digits; the stream's unit selects one.

    Raises:
        ValueError: the selected token does not begin with eight hex digits.
    """
    if config.sample_rate is None:
        return True
    if config.sample_unit not in SAMPLE_UNITS:
        return False
    token = pageview_id if config.sample_unit == "pageview" else session_id
    return int(token[:8], 16) / (2**32 - 1) < config.sample_rate


def in_stream_samples(config: StreamConfig, starts: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Return `in_stream_sample` for many tokens: *starts* are the values of their first eight hex digits."""
    if config.sample_rate is None:
        return np.ones(len(starts), dtype=np.bool_)
    if config.sample_unit not in SAMPLE_UNITS:
        return np.zeros(len(starts), dtype=np.bool_)
    return np.asarray(starts / np.float64(2**32 - 1) < config.sample_rate, dtype=np.bool_)


def _parse(name: str, content: object) -> StreamConfig:
    where = f"streams.{name}"
    config = _table(content, where)
    title = config.get("schema_title")
    if not isinstance(title, str) or not title:
        raise ConfigError(f"{where}.schema_title", "is missing")
    rate, unit = _sample(config.get("sample"), f"{where}.sample")
    return StreamConfig(
        stream=str(config.get("stream", name)),
        schema_title=title,
        destination_event_service=str(config.get("destination_event_service", DESTINATION)),
        provide_values=_provide_values(config.get("producers"), f"{where}.producers"),
        sample_rate=rate,
        sample_unit=unit,
    )


def _provide_values(producers: object, where: str) -> tuple[str, ...]:
    client = _table(_table(producers, where).get("metrics_platform_client"), f"{where}.metrics_platform_client")
    values = client.get("provide_values", [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ConfigError(f"{where}.metrics_platform_client.provide_values", "has to be a list of texts")
    return tuple(values)


def _sample(content: object, where: str) -> tuple[float | None, str | None]:
    sample = _table(content, where)
    if not sample:
        return None, None
    rate, unit = sample.get("rate"), sample.get("unit")
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
        raise ConfigError(f"{where}.rate", "has to be a number between 0 and 1")
    if not isinstance(unit, str):
        raise ConfigError(f"{where}.unit", "has to be a text")
    return float(rate), unit


def _table(content: object, where: str) -> Mapping[str, object]:
    """Return *content* as an object, empty when it is absent; PHP writes an empty object as an empty array."""
    if content is None or content == []:
        return {}
    if not isinstance(content, Mapping):
        raise ConfigError(where, "has to be an object")
    return content
