from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.configs import ConfigError, Experiment, parse_experiment, parse_experiments, parse_instruments
from contracts.generation import Generation

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


def test_the_first_entry_with_the_wiki_is_its_rate() -> None:
    rate = parse_experiment(Generation.ALPHA, alpha()).sample_rate
    assert [rate.of(wiki) for wiki in ("frwiki", "enwiki", "dewiki")] == [0.1, 0.01, 0.5]


def test_alpha_uses_the_status_and_xlab_the_dates() -> None:
    now = datetime(2025, 1, 15, tzinfo=UTC)
    later = datetime(2025, 3, 1, tzinfo=UTC)
    assert parse_experiment(Generation.ALPHA, alpha(utc_end_dt="2020-01-01T00:00:00Z")).is_active(now)
    assert not parse_experiment(Generation.ALPHA, alpha(status=0)).is_active(now)
    assert parse_experiment(Generation.XLAB, xlab(status=0)).is_active(now)
    assert not parse_experiment(Generation.XLAB, xlab()).is_active(later)


def test_booleans_and_integers_are_cast_like_the_extension() -> None:
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
        (Generation.ALPHA, alpha(sample_rate={"default": 1, ".": ["x"]}), "sample_rate.."),
        (Generation.ALPHA, alpha(sample_rate={"default": 1, "1_0": ["x"]}), "sample_rate.1_0"),
        (Generation.ALPHA, alpha(sample_rate={"default": 1, "٠.1": ["x"]}), "sample_rate.٠.1"),
        (Generation.ALPHA, alpha(sample_rate={"default": float("nan")}), "sample_rate.default"),
        (Generation.ALPHA, alpha(sample_rate=0.5), "sample_rate"),
        (Generation.ALPHA, alpha(sample_rate={"default": 1, "0.1": "x"}), "sample_rate.0.1"),
        (Generation.ALPHA, alpha(status="on"), "status"),
        (Generation.ALPHA, without(alpha, "features"), "features"),
        (Generation.ALPHA, alpha(features={}), "features"),
        (Generation.ALPHA, alpha(features={"menu": {"values": []}}), "features.menu.values"),
        (Generation.ALPHA, alpha(features={"menu": {"values": ["a", "a"]}}), "features.menu.values"),
        (Generation.ALPHA, alpha(features={"menu": {"values": ["a", ""]}}), "features.menu.values"),
        (Generation.ALPHA, alpha(features={"menu": {"values": [1.5]}}), "features.menu.values"),
        (Generation.ALPHA, alpha(features={"menu": {"values": ["a", "unsampled"]}}), "features.menu.values"),
        (Generation.ALPHA, alpha(features={"menu": ["a", "b"]}), "features.menu.values"),
        (Generation.ALPHA, alpha(features=["menu"]), "features"),
        (Generation.ALPHA, alpha(utc_start_dt="soon"), "utc_start_dt"),
        (Generation.ALPHA, alpha(contextual_attributes="page_id"), "contextual_attributes"),
        (Generation.ALPHA, alpha(features={"menu": {"control": "c", "values": ["a"]}}), "features.menu.control"),
        (Generation.ALPHA, xlab(slug="x"), "features"),
        (Generation.ALPHA, without(alpha, "name"), "name"),
        (Generation.XLAB, alpha(), "groups"),
        (Generation.XLAB, xlab(groups=[]), "groups"),
        (Generation.XLAB, xlab(groups=["a", 1]), "groups"),
        (Generation.XLAB, xlab(start="soon"), "start"),
        (Generation.XLAB, xlab(start=20250101), "start"),
        (Generation.XLAB, xlab(end="2025-01-01T14:29:59Z"), "end"),
        (Generation.XLAB, xlab(end=None), "end"),
        (Generation.XLAB, without(xlab, "end"), "end"),
        (Generation.XLAB, without(xlab, "name"), "name"),
    ],
)
def test_an_invalid_config_names_the_field(generation: Generation, config: Config, field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_experiments(generation, [config])
    assert caught.value.field == f"experiments[0].{field}"
    assert "\n" not in str(caught.value)


def test_missing_status_and_rate_0_are_valid() -> None:
    now = datetime(2025, 1, 15, tzinfo=UTC)
    assert not parse_experiment(Generation.ALPHA, without(alpha, "status")).is_active(now)
    assert parse_experiment(Generation.ALPHA, alpha(sample_rate={"default": 0})).sample_rate.of("enwiki") == 0


def test_xlab_experiments_are_active_between_their_dates() -> None:
    experiment = parse_experiment(Generation.XLAB, xlab())
    assert experiment.start is not None
    assert experiment.end is not None
    assert experiment.is_active(experiment.start)
    assert experiment.is_active(experiment.end)
    assert experiment.groups == ("control", "treatment")
    assert experiment.features[0].name == experiment.name == "menu-test"


def test_one_alpha_experiment_may_carry_several_features() -> None:
    features = {"menu": {"values": ["a", "b"]}, "toolbar": {"control": "y", "values": ["x", "y", "z"]}}
    result = parse_experiment(Generation.ALPHA, alpha(features=features)).features
    assert [(feature.name, feature.control, feature.groups) for feature in result] == [
        ("menu", "a", ("a", "b")),
        ("toolbar", "y", ("x", "y", "z")),
    ]


def test_the_hint_names_the_other_generations_shape() -> None:
    with pytest.raises(ConfigError, match="'groups' is another generation's shape"):
        parse_experiment(Generation.ALPHA, {**xlab(), "slug": "menu-test"})
    with pytest.raises(ConfigError, match="'features' is another generation's shape"):
        parse_experiment(Generation.XLAB, alpha())


def test_the_message_has_path_and_reason() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_experiments(Generation.ALPHA, [alpha(), alpha(sample_rate={"default": 1.5})])
    assert str(caught.value) == "experiments[1].sample_rate.default: 1.5 is not a number between 0 and 1"
    assert caught.value.exit_code == 2


def experiment_or_error(generation: Generation, config: Config) -> Experiment | ConfigError:
    try:
        return parse_experiment(generation, config)
    except ConfigError as error:
        return error


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=6,
)
FIELDS = ["slug", "name", "sample_rate", "status", "features", "groups", "start", "utc_end_dt", "contextual_attributes"]


@given(
    st.sampled_from(list(Generation)),
    st.dictionaries(st.sampled_from(FIELDS), JSON, min_size=1),
    st.dictionaries(st.text(max_size=6) | st.sampled_from(["default", "0.1", "1e-5"]), JSON, max_size=3),
)
def test_any_json_is_parsed_or_one_clear_line(
    generation: Generation, changes: Config, rates: dict[str, object]
) -> None:
    base = alpha() if generation is Generation.ALPHA else xlab()
    for config in ({**base, **changes}, {**base, "sample_rate": rates}):
        result = experiment_or_error(generation, config)
        if isinstance(result, ConfigError):
            assert len(str(result).splitlines()) == 1
        else:
            assert result.groups
            assert "" not in result.groups
            assert 0 <= result.sample_rate.of("enwiki") <= 1


@pytest.mark.parametrize("payload", [{"data": []}, None, "x", [1]])
def test_only_an_array_of_objects_is_accepted(payload: object) -> None:
    with pytest.raises(ConfigError):
        parse_experiments(Generation.ALPHA, payload)
    with pytest.raises(ConfigError):
        parse_instruments(payload)


def test_unknown_attributes_of_an_instrument_are_refused() -> None:
    config = {**alpha(), "stream_name": "s", "sample_unit": "session", "contextual_attributes": ["shoe_size"]}
    with pytest.raises(ConfigError, match="shoe_size"):
        parse_instruments([config])
    items = ["page_id", "page_namespace", "agent_ua_string"]
    [instrument] = parse_instruments([{**config, "contextual_attributes": items}])
    assert instrument.contextual_attributes == tuple(items)
    assert (instrument.name, instrument.stream_name, instrument.sample_unit) == ("menu-test", "s", "session")


@pytest.mark.parametrize("field", ["slug", "name", "sample_rate", "sample_unit", "stream_name"])
def test_a_missing_field_of_an_instrument_is_named(field: str) -> None:
    config = {**alpha(), "stream_name": "s", "sample_unit": "session"}
    del config[field]
    with pytest.raises(ConfigError) as caught:
        parse_instruments([config])
    assert caught.value.field == f"instruments[0].{field}"
