"""Predict from a config, by the contract, how the wiki and its JavaScript client behave.

`dogfood doctor`, the plan, the set-up of a run and the check `configs` all use these predictions. They are pure
functions of configs as MPIC, or the wiki's stream configs, serve them.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from contracts.configs import ConfigError, parse_experiment, parse_instrument
from contracts.generation import Generation
from contracts.streams import SAMPLE_UNITS


class Effect(StrEnum):
    """The effect of a fault in a config."""

    PAGES_FAIL = "pages of users with accounts answer 500"
    NOBODY = "nobody is enrolled"
    NOTHING_SENT = "the client sends nothing"
    INVALID_EVENTS = "the schema refuses every event"
    UNCLEAR = "what the client does is not known"


class ConfigFault(NamedTuple):
    """A field of a config that prevents valid events.

    Attributes:
        field: such as `instrument.sample_unit`.
        why: reason for which it is a fault.
        effect: behaviour of the wiki or its client that follows.
    """

    field: str
    why: str
    effect: Effect

    @property
    def sentence(self) -> str:
        """The fault as one sentence without a full stop."""
        fault = f"{self.field} {self.why}"
        return fault if str(self.effect) in fault else f"{fault}, so {self.effect}"


def experiment_faults(generation: Generation, config: object, where: str = "experiment") -> tuple[ConfigFault, ...]:
    """Return the faults that prevent enrolment in an experiment, or valid events of enrolled users.

    The status, the dates and a rate of 0 are not faults: they exclude users on purpose.

    Args:
        generation: decides the shape of *config*.
        config: the config as MPIC serves it.
        where: name of the config in faults.
    """
    try:
        parse_experiment(generation, config, where)
    except ConfigError as error:
        return (_unreadable(error, _experiment_effect(generation, config, error, where)),)
    return ()


def instrument_faults(config: object, wiki: str, where: str = "instrument") -> tuple[ConfigFault, ...]:
    """Return the faults for which the client sends no events of an instrument, or invalid ones.

    Args:
        config: the config as MPIC serves it.
        wiki: database name, which selects the sample rate.
        where: name of the config in faults.
    """
    if not isinstance(config, Mapping):
        return (ConfigFault(where, "has to be an object", Effect.NOTHING_SENT),)
    text = _text_rate(config.get("sample_rate"), wiki)
    if text is not None:
        field = f"{where}.sample_rate"
        return (ConfigFault(field, f"reaches {wiki} as the text {text!r}, not as a number", Effect.INVALID_EVENTS),)
    try:
        instrument = parse_instrument(config, where)
    except ConfigError as error:
        field = error.field.removeprefix(f"{where}.")
        stops = field.startswith(("sample_rate", "sample_unit", "stream_name"))
        return (_unreadable(error, Effect.NOTHING_SENT if stops else Effect.UNCLEAR),)
    faults = []
    if not instrument.status:
        why = "is 0, so the instrument is switched off and its stream has no config"
        faults.append(ConfigFault(f"{where}.status", why, Effect.NOTHING_SENT))
    if instrument.sample_unit not in SAMPLE_UNITS:
        faults.append(_unknown_unit(f"{where}.sample_unit", instrument.sample_unit))
    if instrument.sample_rate.of(wiki) <= 0:
        faults.append(ConfigFault(f"{where}.sample_rate", f"is 0 on {wiki}", Effect.NOTHING_SENT))
    return tuple(faults)


def stream_faults(stream: str, config: Mapping[str, object] | None) -> tuple[ConfigFault, ...]:
    """Return the faults of the config that the wiki exports for *stream*; empty without a config."""
    sample = config.get("sample") if config else None
    if not isinstance(sample, Mapping):
        return ()
    where = f"streams.{stream}.sample"
    rate, unit = sample.get("rate"), sample.get("unit")
    if isinstance(rate, str):
        why = f"is the text {rate!r}, not a number"
        return (ConfigFault(f"{where}.rate", why, Effect.INVALID_EVENTS),)
    faults = []
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate <= 1:
        faults.append(ConfigFault(f"{where}.rate", f"is {rate!r}, not above 0 and at most 1", Effect.NOTHING_SENT))
    if unit not in SAMPLE_UNITS:
        faults.append(_unknown_unit(f"{where}.unit", unit))
    return tuple(faults)


def faults_of_others(generation: Generation, configs: Iterable[object]) -> Iterator[ConfigFault]:
    """Yield the faults of other experiments that affect every user: they break pages or empty the whole response.

    Their other faults do not affect a run.
    """
    for number, config in enumerate(configs):
        name = config.get("slug") or config.get("name") if isinstance(config, Mapping) else None
        where = f"experiments[{name or number}]"
        for fault in experiment_faults(generation, config, where):
            if generation is Generation.XLAB and fault.field.removeprefix(f"{where}.") in _EMPTYING:
                yield fault._replace(effect=Effect.NOBODY)
            elif fault.effect is Effect.PAGES_FAIL:
                yield fault


#: Fields of an xlab experiment whose fault empties the response for all experiments.
_EMPTYING = ("start", "end", "groups")


def _experiment_effect(generation: Generation, config: object, error: ConfigError, where: str) -> Effect:
    """Return the effect of the first field that cannot be parsed (contract: mpic-api.md)."""
    field = error.field.removeprefix(f"{where}.")
    if generation is Generation.XLAB:
        return Effect.NOBODY
    if field == "slug":
        return Effect.PAGES_FAIL
    if field.startswith("sample_rate"):
        rates = config.get("sample_rate") if isinstance(config, Mapping) else None
        return Effect.PAGES_FAIL if isinstance(rates, Mapping) and "default" in rates else Effect.NOBODY
    if field == "features":
        return Effect.NOBODY
    return Effect.INVALID_EVENTS if field.endswith(".values") and "empty" in str(error) else Effect.UNCLEAR


def _text_rate(rates: object, wiki: str) -> str | None:
    """Return an instrument's rate on *wiki* if the client gets it as text, as it does the keys for single wikis."""
    if not isinstance(rates, Mapping):
        return None
    own = (key for key, names in rates.items() if key != "default" and isinstance(names, list) and wiki in names)
    key = next(own, None)
    if key is not None:
        # PHP converts a key that is written as a whole number to a number.
        return None if key in ("0", "1") else str(key)
    default = rates.get("default")
    return default if isinstance(default, str) else None


def _unknown_unit(field: str, unit: object) -> ConfigFault:
    why = f"is {unit!r}, and the client knows only {' and '.join(SAMPLE_UNITS)}"
    return ConfigFault(field, why, Effect.NOTHING_SENT)


def _unreadable(error: ConfigError, effect: Effect) -> ConfigFault:
    return ConfigFault(error.field, str(error).removeprefix(f"{error.field}: "), effect)
