from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from metrics_platform.assignment import Generation
from metrics_platform.configs import ConfigError, parse_experiment, parse_experiments, parse_instruments

Config = dict[str, object]


def alpha(**changes: object) -> Config:
    config: Config = {
        "name": "Menu test",
        "slug": "menu-test",
        "sample_rate": {"default": 0.5, "0.1": ["frwiki", "arwiki"], "0.01": ["enwiki", "frwiki"]},
        "status": 1,
        "features": {"menu": {"control": "false", "values": ["true", "false"]}},
    }
    return {**config, **changes}


def xlab(**changes: object) -> Config:
    config: Config = {
        "name": "menu-test",
        "sample_rate": {"default": 0.5},
        "groups": ["control", "treatment"],
        "start": "2025-01-01T14:30:00.000Z",
        "end": "2025-02-01T14:30:00Z",
    }
    return {**config, **changes}


def test_an_alpha_experiment_is_named_by_its_slug() -> None:
    experiment = parse_experiment(Generation.ALPHA, alpha())
    assert (experiment.name, experiment.title) == ("menu-test", "Menu test")
    assert experiment.groups == ("true", "false")
    assert experiment.features[0].control == "false"


def test_the_rate_of_a_wiki_is_the_key_of_the_first_entry_that_lists_it() -> None:
    rate = parse_experiment(Generation.ALPHA, alpha()).sample_rate
    assert [rate.of(wiki) for wiki in ("frwiki", "enwiki", "dewiki")] == [0.1, 0.01, 0.5]


def test_alpha_looks_at_the_status_and_xlab_at_the_dates() -> None:
    now = datetime(2025, 1, 15, tzinfo=UTC)
    later = datetime(2025, 3, 1, tzinfo=UTC)
    assert parse_experiment(Generation.ALPHA, alpha(utc_end_dt="2020-01-01T00:00:00Z")).is_active(now)
    assert not parse_experiment(Generation.ALPHA, alpha(status=0)).is_active(now)
    assert parse_experiment(Generation.XLAB, xlab(status=0)).is_active(now)
    assert not parse_experiment(Generation.XLAB, xlab()).is_active(later)


def test_booleans_and_integers_are_cast_as_the_extension_casts_them() -> None:
    features = {"menu": {"control": False, "values": [True, False, 3]}}
    assert parse_experiment(Generation.ALPHA, alpha(features=features)).groups == ("true", "false", "3")


def without(make: Callable[[], Config], field: str) -> Config:
    config = make()
    del config[field]
    return config


@pytest.mark.parametrize(
    ("generation", "config", "field"),
    [
        (Generation.ALPHA, without(alpha, "slug"), "slug"),
        (Generation.ALPHA, alpha(slug=""), "slug"),
        (Generation.ALPHA, without(alpha, "sample_rate"), "sample_rate"),
        (Generation.ALPHA, alpha(sample_rate={}), "sample_rate.default"),
        (Generation.ALPHA, alpha(sample_rate={"default": 1.5}), "sample_rate.default"),
        (Generation.ALPHA, alpha(sample_rate={"default": None}), "sample_rate.default"),
        (Generation.ALPHA, alpha(sample_rate={"default": True}), "sample_rate.default"),
        (Generation.ALPHA, alpha(sample_rate={"default": 1, "2": ["x"]}), "sample_rate.2"),
        (Generation.ALPHA, alpha(sample_rate={"default": 1, "nan": ["x"]}), "sample_rate.nan"),
        (Generation.ALPHA, alpha(sample_rate={"default": 1, "0.1": "x"}), "sample_rate.0.1"),
        (Generation.ALPHA, alpha(status="on"), "status"),
        (Generation.ALPHA, without(alpha, "features"), "features"),
        (Generation.ALPHA, alpha(features={}), "features"),
        (Generation.ALPHA, alpha(features={"menu": {"values": []}}), "features.menu.values"),
        (Generation.ALPHA, alpha(features={"menu": {"values": ["a", "a"]}}), "features.menu.values"),
        (Generation.ALPHA, alpha(features={"menu": {"values": ["a", ""]}}), "features.menu.values"),
        (Generation.ALPHA, alpha(features={"menu": {"values": [1.5]}}), "features.menu.values"),
        (Generation.ALPHA, alpha(features={"menu": {"control": "c", "values": ["a"]}}), "features.menu.control"),
        (Generation.ALPHA, xlab(slug="x"), "features"),
        (Generation.XLAB, alpha(), "groups"),
        (Generation.XLAB, xlab(groups=[]), "groups"),
        (Generation.XLAB, xlab(groups=["a", 1]), "groups"),
        (Generation.XLAB, xlab(start="soon"), "start"),
        (Generation.XLAB, without(xlab, "end"), "end"),
    ],
)
def test_a_config_that_makes_no_sense_is_an_error_that_names_the_field(
    generation: Generation, config: Config, field: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_experiments(generation, [config])
    assert caught.value.field == f"experiments[0].{field}"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("payload", [{"data": []}, None, "x", [1]])
def test_an_answer_that_is_no_bare_array_of_objects_is_refused(payload: object) -> None:
    with pytest.raises(ConfigError):
        parse_experiments(Generation.ALPHA, payload)
    with pytest.raises(ConfigError):
        parse_instruments(payload)


def test_an_instrument_may_only_ask_for_attributes_there_are() -> None:
    config = {**alpha(), "stream_name": "s", "sample_unit": "session", "contextual_attributes": ["shoe_size"]}
    with pytest.raises(ConfigError, match="shoe_size"):
        parse_instruments([config])
