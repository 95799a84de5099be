"""The locustfiles' common options, and the plan settings and manifest of a new run."""

import platform
import time
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Self

from common.egress import LOOPBACK, Egress
from common.errors import DogfoodError
from contracts.client_behaviour import ConfigFault
from contracts.generation import Generation
from contracts.mpic_client import MpicClient
from personas.example_experiment import example_experiment, example_instrument
from personas.pacing import Pace, parse_rate
from personas.plan.plan import Plan
from personas.plan.settings import MOST_VISITORS, PlanSettings
from run_record.manifest import Manifest
from run_record.target import Ceilings, Target

_LIBRARIES = ("experiment-dogfood", "locust", "numpy", "orjson", "hdrhistogram")


def check_target(target: Target, manifest_target: Mapping[str, str], confirm: str) -> Target:
    """Return *target* with the addresses in a manifest's target.

    Raises:
        TargetError: the target does not allow a host, or is production and *confirm* is not its name.
    """
    return target.confirmed(confirm).at(
        intake=manifest_target["intake"], mpic=manifest_target["mpic"], wiki=manifest_target.get("wiki")
    )


def check_ceilings(target: Target, settings: PlanSettings) -> float:
    """Check the plan's rate, events and duration against *target*'s ceilings. Raises TargetError.

    Returns:
        The highest planned rate in events per second; 0 without visitors or ceilings.

    For visits, the rate is the plan's mean. During the run the rate limiter enforces the ceilings.
    """
    if not settings.visitors or target.ceilings == Ceilings():
        return 0.0
    if settings.paces_events:
        events, rate = settings.events, settings.events_per_second
    else:
        events = sum(1 for _ in Plan(settings).events(0, settings.visitors))
        rate = settings.arrivals_per_second * events / settings.visitors
    peak = settings.pacer().shape.peak
    target.ceilings.check(target.name, rate=rate * peak, events=events, seconds=events / rate if rate else 0.0)
    return rate * peak


class UnplayableConfigError(DogfoodError):
    """MPIC's configs allow no valid event by the contract: a verdict on them, not wrong use.

    Attributes:
        settings: settings of the plan.
    """

    exit_code = 1
    page = "docs/reference/checks.md"

    def __init__(self, settings: PlanSettings, fault: ConfigFault) -> None:
        super().__init__(f"{fault.sentence}: nothing was sent. Correct it in MPIC")
        self.settings = settings


class OptionError(DogfoodError):
    """An invalid option of a locustfile."""


@dataclass(frozen=True, slots=True)
class TrafficOptions:
    """The options that determine a new run's load; the fields are those of the locustfiles."""

    target: str = "local"
    confirm: str = ""
    intake: str = ""
    mpic: str = ""
    wiki_url: str = ""
    experiment: str = ""
    instrument: str = ""
    generation: Generation = Generation.ALPHA
    wiki: str = "testwiki"
    seed: int = 1
    visitors: int = 20_000
    arrival_rate: float = 200.0
    event_rate: float = 0.0
    event_seconds: float = 0.0
    shape: str = "constant"
    pace: Pace = Pace.CONSTANT
    time_scale: float = 1.0
    epoch: int = 0
    aa: bool = False
    hasty: bool = False
    batch: int = 1

    @classmethod
    def of(cls, options: Namespace) -> Self:
        """Return the traffic options among Locust's parsed *options*."""
        values_by_name = vars(options)
        values = {item.name: values_by_name[item.name] for item in fields(cls) if item.name in values_by_name}
        # The web page's values are texts. `--shape poisson` means a constant rate with Poisson arrivals.
        is_poisson = options.shape == "poisson"
        values |= {
            "generation": Generation(options.generation),
            "arrival_rate": parse_rate(options.arrival_rate),
            "event_rate": parse_rate(options.event_rate) if options.event_rate else 0.0,
            "event_seconds": values_by_name.get("event_seconds") or float(options.run_time or 0),
            "shape": "constant" if is_poisson else options.shape,
            "pace": Pace.POISSON if is_poisson else Pace(options.pace),
        }
        return cls(**values)


def new_settings(
    options: TrafficOptions, target: Target, egress: Egress = LOOPBACK, *, now_ms: int | None = None
) -> PlanSettings:
    """Return the plan settings for *options*; fetch the experiment from MPIC if one is named.

    Raises:
        DogfoodError: MPIC does not have the experiment, or an option is out of range.
        UnplayableConfigError: the experiment's or the instrument's config allows no valid event.
    """
    if options.visitors < 1:
        raise DogfoodError(f"--visitors is {options.visitors}: choose a number from 1 to {MOST_VISITORS:,}")
    experiment, instrument = _configs(options, target, egress)
    settings = PlanSettings(
        generation=options.generation,
        experiment=experiment,
        instrument=instrument,
        seed=options.seed,
        visitors=options.visitors,
        epoch_ms=options.epoch or now_ms or int(time.time() * 1000),
        arrivals_per_second=options.arrival_rate,
        shape=options.shape,
        pace=options.pace,
        time_scale=options.time_scale,
        wiki=options.wiki,
        aa=options.aa,
    )
    if faults := settings.config_faults():
        raise UnplayableConfigError(settings, faults[0])
    return _with_paced_events(settings, options) if options.event_rate else settings


def _with_paced_events(settings: PlanSettings, options: TrafficOptions) -> PlanSettings:
    """Return *settings* for paced single events over the requested duration. Raises OptionError."""
    if options.event_seconds <= 0:
        raise OptionError("--event-rate needs --run-time: add the duration, like --run-time 60s")
    settings = replace(settings, events_per_second=options.event_rate, events=1)
    events = settings.pacer().count_before(round(options.event_seconds * 1e6))
    if not events:
        raise OptionError(
            f"no event is due within {options.event_seconds:g} s at this rate: choose a longer --run-time"
        )
    settings = replace(settings, events=events, visitors=MOST_VISITORS)
    return replace(settings, visitors=Plan(settings).visitors_for_events())


def find_target(options: TrafficOptions) -> Target:
    """Return the confirmed target of *options*, with their addresses. Raises TargetError."""
    addresses = {"intake": options.intake or None, "mpic": options.mpic or None, "wiki": options.wiki_url or None}
    return Target.read(options.target).confirmed(options.confirm).at(**addresses)


def new_manifest(
    run_id: str, options: TrafficOptions, target: Target, settings: PlanSettings, fidelity: str = "synthetic"
) -> Manifest:
    """Return the manifest of a new run.

    Args:
        run_id: name of the run's folder.
        options: the traffic options.
        target: the systems under test.
        settings: the plan's settings.
        fidelity: the run's fidelities, joined by commas.

    Raises:
        OptionError: the batch size is out of range.
    """
    if not 1 <= options.batch <= 1000:
        raise OptionError(f"--batch is {options.batch}: choose a number from 1 to 1,000")
    return Manifest(
        run_id=run_id,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        fidelity=fidelity,
        generation=settings.generation,
        wiki=settings.wiki,
        stream=str(settings.instrument.get("stream_name", "")),
        visitors=settings.visitors,
        hasty=options.hasty,
        batch_size=options.batch,
        target={
            "name": target.name, "source": options.target, "intake": target.intake, "mpic": target.mpic,
            "wiki": target.wiki, "tag": target.tag,
        },
        plan=settings.to_json(),
        versions={"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}},
    )  # fmt: skip


def _configs(
    options: TrafficOptions, target: Target, egress: Egress
) -> tuple[Mapping[str, object], Mapping[str, object]]:
    if not options.experiment:
        return example_experiment(options.generation), example_instrument()
    with MpicClient(target.mpic, egress=egress) as mpic:
        experiment = _find_config(mpic.raw_experiments(options.generation), options.experiment, "experiment", target)
        name = options.instrument or options.experiment
        return experiment, _find_config(mpic.raw_instruments(), name, "instrument", target)


def _find_config(configs: list[object], name: str, kind: str, target: Target) -> Mapping[str, object]:
    # A config without a slug is matched by name, so that the missing slug can be reported.
    config = next(
        (item for item in configs if isinstance(item, dict) and item.get("slug", item.get("name")) == name), None
    )
    if config is None:
        raise OptionError(f"MPIC at {target.mpic} has no {kind} {name!r}: create it there, or choose another")
    return config
