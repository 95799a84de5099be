"""Faults of configs and their effects by the contract (mpic-api.md, wiki.md)."""

from collections.abc import Mapping

import pytest

from contracts.client_behaviour import (
    Effect,
    experiment_faults,
    faults_of_others,
    instrument_faults,
    stream_faults,
)
from contracts.generation import Generation
from personas.example_experiment import example_experiment, example_instrument

WIKI = "testwiki"


def alpha(**changes: object) -> dict[str, object]:
    return {**example_experiment(Generation.ALPHA), **changes}


def without(config: Mapping[str, object], name: str) -> dict[str, object]:
    return {key: value for key, value in config.items() if key != name}


FEATURE = {"dogfood-ctr-feature": {"control": "false", "values": []}}


@pytest.mark.parametrize("generation", Generation)
def test_the_example_configs_have_no_fault(generation: Generation) -> None:
    assert experiment_faults(generation, example_experiment(generation)) == ()
    assert instrument_faults(example_instrument(), WIKI) == ()


@pytest.mark.parametrize("rate", [{"default": 0}, {"default": 1, "0": [WIKI]}])
def test_a_rate_of_zero_enrols_nobody_on_purpose(rate: dict[str, object]) -> None:
    assert experiment_faults(Generation.ALPHA, alpha(sample_rate=rate)) == ()


@pytest.mark.parametrize(
    ("config", "field", "effect"),
    [
        (alpha(sample_rate={"default": 1.5}), "sample_rate.default", Effect.PAGES_FAIL),
        (alpha(sample_rate={"default": None}), "sample_rate.default", Effect.PAGES_FAIL),
        (without(alpha(), "slug"), "slug", Effect.PAGES_FAIL),
        (without(alpha(), "sample_rate"), "sample_rate", Effect.NOBODY),
        (without(alpha(), "features"), "features", Effect.NOBODY),
        (alpha(features={}), "features", Effect.NOBODY),
        (alpha(features=FEATURE), "features.dogfood-ctr-feature.values", Effect.INVALID_EVENTS),
    ],
)
def test_each_fault_of_an_experiment_has_its_effect(config: object, field: str, effect: Effect) -> None:
    [fault] = experiment_faults(Generation.ALPHA, config)
    assert (fault.field, fault.effect) == (f"experiment.{field}", effect)
    assert f"experiment.{field}" in fault.sentence
    assert str(effect) in fault.sentence


@pytest.mark.parametrize(
    ("changes", "field", "effect"),
    [
        ({"sample_unit": "user"}, "sample_unit", Effect.NOTHING_SENT),
        ({"sample_unit": "device"}, "sample_unit", Effect.NOTHING_SENT),
        ({"status": 0}, "status", Effect.NOTHING_SENT),
        ({"sample_rate": {"default": 0}}, "sample_rate", Effect.NOTHING_SENT),
        ({"sample_rate": {"default": 1, "0.01": [WIKI]}}, "sample_rate", Effect.INVALID_EVENTS),
        ({"sample_rate": {"default": "0.5"}}, "sample_rate", Effect.INVALID_EVENTS),
        ({"sample_rate": {"default": 2}}, "sample_rate.default", Effect.NOTHING_SENT),
        ({"stream_name": ""}, "stream_name", Effect.NOTHING_SENT),
    ],
)
def test_each_fault_of_an_instrument_has_its_effect(changes: dict[str, object], field: str, effect: Effect) -> None:
    [fault] = instrument_faults({**example_instrument(), **changes}, WIKI)
    assert (fault.field, fault.effect) == (f"instrument.{field}", effect)


def test_another_wikis_rate_is_not_a_fault() -> None:
    assert instrument_faults({**example_instrument(), "sample_rate": {"default": 0.5, "1": [WIKI]}}, WIKI) == ()
    assert instrument_faults({**example_instrument(), "sample_rate": {"default": 1, "0.01": ["enwiki"]}}, WIKI) == ()


@pytest.mark.parametrize(
    ("sample", "field", "effect"),
    [
        ({"rate": "0.01", "unit": "session"}, "rate", Effect.INVALID_EVENTS),
        ({"rate": 1.5, "unit": "session"}, "rate", Effect.NOTHING_SENT),
        ({"rate": 1, "unit": "user"}, "unit", Effect.NOTHING_SENT),
    ],
)
def test_each_fault_of_a_stream_has_its_effect(sample: dict[str, object], field: str, effect: Effect) -> None:
    [fault] = stream_faults("s", {"schema_title": "x", "sample": sample})
    assert (fault.field, fault.effect) == (f"streams.s.sample.{field}", effect)


@pytest.mark.parametrize("config", [None, {}, {"schema_title": "x"}, {"sample": {"rate": 1, "unit": "pageview"}}])
def test_a_stream_without_a_fault_has_none(config: dict[str, object] | None) -> None:
    assert stream_faults("s", config) == ()


def test_only_faults_that_affect_all_users_count() -> None:
    breaking, harmless = alpha(slug="a", sample_rate={"default": 1.5}), alpha(slug="b", features={})
    [fault] = faults_of_others(Generation.ALPHA, [breaking, harmless, alpha(slug="c")])
    assert (fault.field, fault.effect) == ("experiments[a].sample_rate.default", Effect.PAGES_FAIL)
    later = {**example_experiment(Generation.XLAB), "name": "d", "slug": "d", "groups": []}
    [emptied] = faults_of_others(Generation.XLAB, [later])
    assert emptied.effect is Effect.NOBODY
