import pytest

from metrics_platform.configs import ConfigError, Instrument, SampleRate
from metrics_platform.streams import StreamConfig, in_stream_sample, merge, parse_stream_configs

TITLE = "analytics/product_metrics/web/base"


def instrument(*, status: bool = True, stream: str = "s") -> Instrument:
    return Instrument("i", "I", SampleRate(0.25, ((0.5, ("dewiki",)),)), "session", status, stream, ("page_namespace",))


def test_an_active_instrument_adds_its_stream_with_the_wikis_rate() -> None:
    config = merge({}, [instrument()], "dewiki")["s"]
    assert (config.sample_rate, config.sample_unit, config.schema_title) == (0.5, "session", TITLE)
    assert config.provide_values == ("page_namespace_id",)
    assert config.topics == ("eqiad.s", "codfw.s")


def test_a_static_config_wins_whole_and_inactive_instruments_add_nothing() -> None:
    static = {"s": StreamConfig("s", "other/title")}
    assert merge(static, [instrument()], "dewiki") == static
    assert merge({}, [instrument(status=False)], "dewiki") == {}


def test_what_is_exported_can_be_parsed_again() -> None:
    config = merge({}, [instrument()], "enwiki")["s"]
    assert parse_stream_configs({"streams": {"s": config.to_json()}}) == {"s": config}
    assert parse_stream_configs({"streams": []}) == {}


@pytest.mark.parametrize("payload", [[], {}, {"streams": {"s": {}}}, {"streams": {"s": 1}}])
def test_stream_configs_that_make_no_sense_are_refused(payload: object) -> None:
    with pytest.raises(ConfigError):
        parse_stream_configs(payload)


@pytest.mark.parametrize(
    ("rate", "unit", "pageview", "session", "sampled"),
    [
        (None, None, "f" * 20, "f" * 20, True),
        (0.5, "pageview", "7fffffff" + "0" * 12, "f" * 20, True),
        (0.5, "pageview", "80000000" + "0" * 12, "0" * 20, False),
        (0.5, "session", "f" * 20, "0" * 20, True),
        (1.0, "session", "0" * 20, "f" * 20, False),  # ffffffff / (2^32 - 1) is 1, and the comparison is strict
        (0.0, "session", "0" * 20, "0" * 20, False),
        (1.0, "device", "0" * 20, "0" * 20, False),
    ],
)
def test_stream_sampling(rate: float | None, unit: str | None, pageview: str, session: str, sampled: bool) -> None:
    config = StreamConfig("s", TITLE, sample_rate=rate, sample_unit=unit)
    assert in_stream_sample(config, pageview, session) is sampled
