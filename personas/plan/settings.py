"""What a plan is made from; stored in a run's manifest, so that the events can be made again."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Self

import msgspec

from common.errors import DogfoodError
from contracts.assignment import Generation
from contracts.client_behaviour import ConfigFault, Effect, experiment_faults, instrument_faults
from contracts.configs import Experiment, Instrument, parse_experiment, parse_instrument
from contracts.profiles import profile_of
from contracts.streams import StreamConfig, client_stream_config, merge
from personas.example_experiment import ELEMENT
from personas.pacing import Pace, Pacer, parse_shape

#: As many visits as there can be at most.
MOST_VISITORS = 2**31 - 1


class PlanError(DogfoodError):
    """Settings that no plan can be made from. The message names the setting."""


@dataclass(frozen=True, slots=True)
class PlanSettings:
    """Everything that decides which events are made: two equal settings make the same bytes.

    Attributes:
        generation: `alpha` or `xlab`.
        experiment, instrument: their configs, as MPIC serves them.
        seed: 0 to 2^63-1.
        visitors: number of subjects, 0 for a run without synthetic traffic; subject *i* makes visit *i*.
        epoch_ms: the moment the run begins, milliseconds since 1970; every `dt` counts from it.
        arrivals_per_second: how many visits begin a second.
        events_per_second: how many single events are intended for each second, whoever's they are; 0 when visits arrive
            and their events follow in their own time.
        events: how many events there are at most, when single events are paced; 0 when visits arrive.
        shape: how that rate changes over time (`personas.pacing.parse_shape`).
        pace: whether arrivals come evenly or as a Poisson process.
        time_scale: dwell times and pauses are divided by this, 1 or more.
        element_depth: how far down the page the instrumented element is, percent of the page.
        element: friendly name of the instrumented element.
        aa: whether this is an A/A run, in which every group behaves as control does.
        wiki: database name of the wiki, which also selects the sample rate.
        domain: the wiki's server name.
        mediawiki_version: as the wiki would report it.
        language: the wiki's content language.
        personas: fingerprint of the persona files and name pools; made and checked by the plan.
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
        """Return these settings for a manifest."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, object]) -> Self:
        """Return the settings that `to_json` gave.

        Raises:
            PlanError: fields are missing, unknown or make no sense.
        """
        known = {item.name for item in fields(cls)}
        if wrong := content.keys() ^ known:
            raise PlanError(f"the run's plan has other fields than this version knows: {', '.join(sorted(wrong))}")
        try:
            return msgspec.convert(content, cls)
        except (msgspec.ValidationError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise PlanError(f"the run's plan cannot be used: {error}") from error

    @property
    def paces_events(self) -> bool:
        """Whether single events are paced, instead of visits."""
        return self.events_per_second > 0

    def pacer(self) -> Pacer:
        """Return what gives the visits, or the single events, their intended times."""
        rate = self.events_per_second or self.arrivals_per_second
        return Pacer(rate, parse_shape(self.shape), self.pace, self.seed)

    def parsed_experiment(self) -> Experiment:
        """Return the experiment. Raises ConfigError when its config makes no sense."""
        return parse_experiment(self.generation, self.experiment)

    def parsed_instrument(self) -> Instrument:
        """Return the instrument. Raises ConfigError when its config makes no sense."""
        return parse_instrument(self.instrument)

    def stream_config(self) -> StreamConfig:
        """Return what the client knows about the instrument's stream. Raises PlanError, as `exported_stream` does."""
        return client_stream_config(self.exported_stream(), profile_of(self.generation))

    def exported_stream(self) -> StreamConfig:
        """Return what the wiki would export about the instrument's stream.

        Raises:
            PlanError: by the contract the client sends nothing with this config.
        """
        instrument = self.parsed_instrument()
        silent = [fault for fault in self.config_faults() if fault.effect is Effect.NOTHING_SENT]
        if silent:
            raise PlanError(f"instrument {instrument.name!r}: {silent[0].sentence}")
        return merge({}, [instrument], self.wiki)[instrument.stream_name]

    def config_faults(self) -> tuple[ConfigFault, ...]:
        """Return what keeps this plan's experiment and instrument from having valid events, by the contract."""
        return (
            *experiment_faults(self.generation, self.experiment),
            *instrument_faults(self.instrument, self.wiki),
        )
