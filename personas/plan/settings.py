"""Settings of a plan, stored in the manifest of a run, so its events can be recomputed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Self

import msgspec

from common.errors import DogfoodError
from contracts.client_behaviour import ConfigFault, Effect, experiment_faults, instrument_faults
from contracts.configs import Experiment, Instrument, parse_experiment, parse_instrument
from contracts.generation import Generation
from contracts.profiles import profile_of
from contracts.streams import StreamConfig, client_stream_config, merge
from personas.example_experiment import ELEMENT
from personas.pacing import Pace, Pacer, parse_shape

#: Maximum number of visitors.
MOST_VISITORS = 2**31 - 1


class PlanError(DogfoodError):
    """Settings of a plan are invalid. The message names the setting."""


@dataclass(frozen=True, slots=True)
class PlanSettings:
    """The settings that decide all events: equal settings give equal bytes.

    Attributes:
        generation: `alpha` or `xlab`.
        experiment, instrument: their configs, as MPIC serves them.
        seed: 0 to 2^63-1.
        visitors: number of subjects, 0 for a run without synthetic traffic; subject *i* has visit *i*.
        epoch_ms: start of the run, milliseconds since 1970; the origin of every `dt`.
        arrivals_per_second: rate of visits.
        events_per_second: rate of single events of any subject; 0 when visits arrive and their events follow.
        events: maximum number of events when single events are paced; 0 when visits arrive.
        shape: the rate over time (`personas.pacing.parse_shape`).
        pace: arrival process, constant or Poisson.
        time_scale: divisor of dwell times and pauses, 1 or more.
        element_depth: depth of the instrumented element, percent of the page.
        element: friendly name of the instrumented element.
        aa: whether this is an A/A run, in which all groups behave like control.
        wiki: database name of the wiki, which also selects the sample rate.
        domain: the wiki's server name.
        mediawiki_version: version that the wiki reports.
        language: content language of the wiki.
        personas: fingerprint of the persona files and name pools, which the plan sets and checks.
    """

    generation: Generation
    experiment: Mapping[str, object]
    instrument: Mapping[str, object]
    seed: int
    visitors: int
    epoch_ms: int
    arrivals_per_second: float = 200.0
    events_per_second: float = 0.0
    events: int = 0
    shape: str = "constant"
    pace: Pace = Pace.CONSTANT
    time_scale: float = 1.0
    element_depth: int = 10
    element: str = ELEMENT
    aa: bool = False
    wiki: str = "testwiki"
    domain: str = "test.wikipedia.org"
    mediawiki_version: str = "1.43.9"
    language: str = "en"
    personas: str = ""

    def __post_init__(self) -> None:
        self._within("seed", self.seed, 0, 2**63 - 1)
        self._within("visitors", self.visitors, 0, MOST_VISITORS)
        self._within("epoch_ms", self.epoch_ms, 0, 4_000_000_000_000)
        self._within("arrivals_per_second", self.arrivals_per_second, 0.001, 1_000_000)
        if self.events_per_second:
            self._within("events_per_second", self.events_per_second, 0.001, 1_000_000)
            self._within("events", self.events, 1, 2**31 - 1)
        parse_shape(self.shape)
        self._within("time_scale", self.time_scale, 1, 1_000_000)
        self._within("element_depth", self.element_depth, 0, 100)

    @staticmethod
    def _within(name: str, value: float, low: float, high: float) -> None:
        if not low <= value <= high:
            raise PlanError(f"{name.replace('_', ' ')} has to be between {low} and {high}, not {value}")

    def to_json(self) -> dict[str, object]:
        """Return the settings for a manifest."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, object]) -> Self:
        """Return the settings that `to_json` wrote.

        Raises:
            PlanError: fields are missing, unknown or invalid.
        """
        known = {item.name for item in fields(cls)}
        if differing := content.keys() ^ known:
            raise PlanError(f"the run's plan has other fields than this version knows: {', '.join(sorted(differing))}")
        try:
            return msgspec.convert(content, cls)
        except (msgspec.ValidationError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise PlanError(f"the run's plan cannot be used: {error}") from error

    @property
    def paces_events(self) -> bool:
        """Whether single events are paced, instead of visits."""
        return self.events_per_second > 0

    def pacer(self) -> Pacer:
        """Return the pacer of the visits, or of the single events."""
        rate = self.events_per_second or self.arrivals_per_second
        return Pacer(rate, parse_shape(self.shape), self.pace, self.seed)

    def parsed_experiment(self) -> Experiment:
        """Return the experiment. Raises ConfigError when its config is invalid."""
        return parse_experiment(self.generation, self.experiment)

    def parsed_instrument(self) -> Instrument:
        """Return the instrument. Raises ConfigError when its config is invalid."""
        return parse_instrument(self.instrument)

    def stream_config(self) -> StreamConfig:
        """Return the instrument's stream config as the client uses it. Raises PlanError, as `exported_stream` does."""
        return client_stream_config(self.exported_stream(), profile_of(self.generation))

    def exported_stream(self) -> StreamConfig:
        """Return the instrument's stream config that the wiki exports.

        Raises:
            PlanError: by the contract, the client sends nothing with this config.
        """
        instrument = self.parsed_instrument()
        faults = [fault for fault in self.config_faults() if fault.effect is Effect.NOTHING_SENT]
        if faults:
            raise PlanError(f"instrument {instrument.name!r}: {faults[0].sentence}")
        return merge({}, [instrument], self.wiki)[instrument.stream_name]

    def config_faults(self) -> tuple[ConfigFault, ...]:
        """Return the faults of the experiment's and the instrument's configs, by the contract."""
        return (
            *experiment_faults(self.generation, self.experiment),
            *instrument_faults(self.instrument, self.wiki),
        )
