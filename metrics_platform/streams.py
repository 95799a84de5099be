"""Stream configs: what `action=streamconfigs` serves, how instruments are merged in, and stream sampling."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from metrics_platform.configs import RENAMED_ATTRIBUTES, ConfigError, Instrument

#: The schema every instrument of MPIC is given; MPIC's own `schema_title` is ignored by the wiki.
SCHEMA_TITLE = "analytics/product_metrics/web/base"
DESTINATION = "eventgate-analytics-external"
DATA_CENTRES = ("eqiad", "codfw")
ERROR_STREAM = f"{DESTINATION}.error.validation"

#: Sample units the JavaScript client knows; with any other it sends nothing.
_SAMPLE_UNITS = ("pageview", "session")


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """One stream.

    Attributes:
        stream: its name.
        schema_title: title its events' schema must have.
        destination_event_service: which intake takes it.
        provide_values: the contextual attributes that clients add.
        sample_rate, sample_unit: stream sampling, None when the config has none (everything is sent).
        topics: one a data centre.
    """

    stream: str
    schema_title: str
    destination_event_service: str = DESTINATION
    provide_values: tuple[str, ...] = ()
    sample_rate: float | None = None
    sample_unit: str | None = None

    @property
    def topics(self) -> tuple[str, ...]:
        """The stream's topics, one a data centre."""
        return tuple(topic(self.stream, data_centre) for data_centre in DATA_CENTRES)

    def to_json(self) -> dict[str, object]:
        """Return the config in the shape in which the wiki exports it."""
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


def parse_stream_configs(payload: object) -> dict[str, StreamConfig]:
    """Return the streams of `{"streams": {name: {...}}}`. Raises ConfigError naming what is wrong."""
    streams = payload.get("streams") if isinstance(payload, Mapping) else None
    # PHP answers an empty object as an empty array.
    if streams == []:
        return {}
    if not isinstance(streams, Mapping):
        raise ConfigError("streams", "stream configs have to be an object with a member 'streams'")
    return {name: _parse(name, content) for name, content in streams.items()}


def merge(static: Mapping[str, StreamConfig], instruments: Iterable[Instrument], wiki: str) -> dict[str, StreamConfig]:
    """Return the stream configs the wiki exports: *static* ones win whole, active instruments add theirs.

    Args:
        static: the wiki's own stream configs.
        instruments: MPIC's; those that are switched off are left out.
        wiki: database name, which selects the sample rate.
    """
    merged = {
        instrument.stream_name: StreamConfig(
            stream=instrument.stream_name,
            schema_title=SCHEMA_TITLE,
            provide_values=tuple(RENAMED_ATTRIBUTES.get(name, name) for name in instrument.contextual_attributes),
            sample_rate=instrument.sample_rate.of(wiki),
            sample_unit=instrument.sample_unit,
        )
        for instrument in instruments
        if instrument.status
    }
    return {**merged, **static}


def in_stream_sample(config: StreamConfig, pageview_id: str, session_id: str) -> bool:
    """Return whether the client sends events of a page view: stream sampling, on top of any enrolment.

    Args:
        config: of the stream; without a sample everything is sent, with an unknown unit nothing.
        pageview_id, session_id: tokens of 20 hex digits.
    """
    if config.sample_rate is None:
        return True
    if config.sample_unit not in _SAMPLE_UNITS:
        return False
    token = pageview_id if config.sample_unit == "pageview" else session_id
    return int(token[:8], 16) / (2**32 - 1) < config.sample_rate


def _parse(name: str, content: object) -> StreamConfig:
    where = f"streams.{name}"
    if not isinstance(content, Mapping) or not isinstance(content.get("schema_title"), str):
        raise ConfigError(f"{where}.schema_title", "is missing")
    client = _table(_table(content, "producers"), "metrics_platform_client")
    values = client.get("provide_values", [])
    sample = _table(content, "sample")
    rate, unit = sample.get("rate"), sample.get("unit")
    if not isinstance(values, list):
        raise ConfigError(f"{where}.producers.metrics_platform_client.provide_values", "has to be a list")
    if sample and (isinstance(rate, bool) or not isinstance(rate, int | float)):
        raise ConfigError(f"{where}.sample.rate", "has to be a number")
    return StreamConfig(
        stream=str(content.get("stream", name)),
        schema_title=content["schema_title"],
        destination_event_service=str(content.get("destination_event_service", DESTINATION)),
        provide_values=tuple(str(value) for value in values),
        sample_rate=float(rate) if isinstance(rate, int | float) else None,
        sample_unit=str(unit) if sample else None,
    )


def _table(content: Mapping[str, object], field: str) -> Mapping[str, object]:
    found = content.get(field)
    return found if isinstance(found, Mapping) else {}
