import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.configs import ConfigError, Instrument, SampleRate
from contracts.streams import StreamConfig, in_stream_sample, merge, parse_stream_configs

TITLE = "analytics/product_metrics/web/base"


def instrument(*, status: bool = True, stream: str = "s") -> Instrument:
    return Instrument("i", "I", SampleRate(0.25, ((0.5, ("dewiki",)),)), "session", status, stream, ("page_namespace",))


def test_an_active_instrument_adds_its_stream_with_the_wikis_rate() -> None:
    config = merge({}, [instrument()], "dewiki")["s"]
    assert (config.sample_rate, config.sample_unit, config.schema_title) == (0.5, "session", TITLE)
    assert config.provide_values == ("page_namespace",)
    assert config.topics == ("eqiad.s", "codfw.s")


def test_static_configs_override_instruments() -> None:
    static = {"s": StreamConfig("s", "other/title")}
    assert merge(static, [instrument()], "dewiki") == static
    assert merge({}, [instrument(status=False)], "dewiki") == {}


def test_exported_configs_can_be_parsed() -> None:
    config = merge({}, [instrument()], "enwiki")["s"]
    assert parse_stream_configs({"streams": {"s": config.to_json()}}) == {"s": config}
    assert parse_stream_configs({"streams": []}) == {}


def test_the_export_has_the_shape_that_the_wiki_serves() -> None:
    config = merge({}, [instrument()], "enwiki")["s"]
    assert config.to_json() == {
        "stream": "s",
        "schema_title": TITLE,
        "destination_event_service": "eventgate-analytics-external",
        "topics": ["eqiad.s", "codfw.s"],
        "producers": {"metrics_platform_client": {"provide_values": ["page_namespace"]}},
        "sample": {"rate": 0.25, "unit": "session"},
    }


def test_an_empty_php_array_is_an_empty_object() -> None:
    config = parse_stream_configs({"streams": {"s": {"schema_title": TITLE, "producers": [], "sample": []}}})["s"]
    assert config == StreamConfig("s", TITLE)


def stream(**fields: object) -> object:
    return {"streams": {"s": {"schema_title": TITLE, **fields}}}


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ([], "streams"),
        ({}, "streams"),
        ({"streams": "s"}, "streams"),
        ({"streams": {"s": 1}}, "streams.s"),
        ({"streams": {"s": {}}}, "streams.s.schema_title"),
        (stream(schema_title=""), "streams.s.schema_title"),
        (stream(producers=1), "streams.s.producers"),
        (
            stream(producers={"metrics_platform_client": {"provide_values": "page_id"}}),
            "streams.s.producers.metrics_platform_client.provide_values",
        ),
        (stream(sample="all"), "streams.s.sample"),
        (stream(sample={"rate": 2, "unit": "session"}), "streams.s.sample.rate"),
        (stream(sample={"rate": "1", "unit": "session"}), "streams.s.sample.rate"),
        (stream(sample={"rate": 1}), "streams.s.sample.unit"),
    ],
)
def test_invalid_stream_configs_name_the_field(payload: object, field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_stream_configs(payload)
    assert caught.value.field == field


@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.floats(0, 1))
def test_raising_the_rate_keeps_every_session(first: int, one: float, other: float) -> None:
    low, high = (StreamConfig("s", TITLE, sample_rate=rate, sample_unit="session") for rate in sorted((one, other)))
    token = f"{first:08x}{0:012x}"
    assert in_stream_sample(high, "", token) or not in_stream_sample(low, "", token)


def test_the_share_of_sessions_is_the_rate() -> None:
    config = StreamConfig("s", TITLE, sample_rate=0.2, sample_unit="session")
    tokens = [f"{first:08x}{0:012x}" for first in range(0, 2**32, 2**18)]
    assert sum(in_stream_sample(config, "", token) for token in tokens) == round(0.2 * len(tokens))
