"""The options that the locustfiles share, and what they make: a plan and a manifest."""

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
from contracts.assignment import Generation
from contracts.client_behaviour import ConfigFault
from contracts.mpic_client import MpicClient
from personas.example_experiment import example_experiment, example_instrument
from personas.pacing import Pace, parse_rate
from personas.plan.plan import Plan
from personas.plan.settings import MOST_VISITORS, PlanSettings
from run_record.manifest import Manifest
from run_record.target import Ceilings, Target

_LIBRARIES = ("experiment-dogfood", "locust", "numpy", "orjson", "hdrhistogram")


def check_target(target: Target, named: Mapping[str, str], confirm: str) -> Target:
    """Return *target* at the addresses that a manifest has *named*.

    Raises:
        TargetError: it does not allow one of their hosts, or is production and *confirm* is not its name.
    """
    return target.confirmed(confirm).at(intake=named["intake"], mpic=named["mpic"], wiki=named.get("wiki"))


def check_ceilings(target: Target, settings: PlanSettings) -> float:
    """Refuse a plan that would be more than *target* allows: its rate, its events, or its duration. Raises TargetError.

    Returns:
        The highest planned rate, events a second; 0 where there is nothing to compare.

    The rate of visits' events is the mean that follows from the plan; while a run goes, the ceiling itself is kept.
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
    """By the contract no valid event comes of the configs that MPIC serves: a verdict on them, not a wrong use.

    Attributes:
        settings: of the plan that cannot be played.
    """

    exit_code = 1
    page = "docs/reference/checks.md"

    def __init__(self, settings: PlanSettings, fault: ConfigFault) -> None:
        super().__init__(f"{fault.sentence}: nothing was sent. Mend it in MPIC")
        self.settings = settings


class OptionError(DogfoodError):
    """An option of a locustfile that cannot be used."""


@dataclass(frozen=True, slots=True)
class TrafficOptions:
    """What decides the traffic of a new run; the fields are the options of the locustfiles."""

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
        """Return the options that Locust has parsed."""
        given = vars(options)
        values = {item.name: given[item.name] for item in fields(cls) if item.name in given}
        # The web page hands on texts, and `--shape poisson` is short for an even rate of chance arrivals.
        chance = options.shape == "poisson"
        values |= {
            "generation": Generation(options.generation),
            "arrival_rate": parse_rate(options.arrival_rate),
            "event_rate": parse_rate(options.event_rate) if options.event_rate else 0.0,
            "event_seconds": given.get("event_seconds") or float(options.run_time or 0),
            "shape": "constant" if chance else options.shape,
            "pace": Pace.POISSON if chance else Pace(options.pace),
        }
        return cls(**values)


def new_settings(
    options: TrafficOptions, target: Target, egress: Egress = LOOPBACK, *, now_ms: int | None = None
) -> PlanSettings:
    """Return the plan's settings that *options* ask for; asks MPIC, as *egress* allows, when an experiment is named.

    Raises:
        DogfoodError: MPIC does not know the experiment, or an option is out of range.
        UnplayableConfigError: its config, or the instrument's, lets no valid event be sent.
    """
    if options.visitors < 1:
        raise DogfoodError(f"visitors has to be between 1 and {MOST_VISITORS}, it is {options.visitors}")
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
    """Return *settings* for as many single events as there are within the time asked for. Raises OptionError."""
    if options.event_seconds <= 0:
        raise OptionError("--event-rate needs --run-time: how long are events to be sent?")
    wanted = replace(settings, events_per_second=options.event_rate, events=1)
    events = wanted.pacer().count_before(round(options.event_seconds * 1e6))
    if not events:
        raise OptionError(f"at this rate no event comes within {options.event_seconds:g} s: make --run-time longer")
    wanted = replace(wanted, events=events, visitors=MOST_VISITORS)
    return replace(wanted, visitors=Plan(wanted).visitors_for_events())


def find_target(options: TrafficOptions) -> Target:
    """Return the target that *options* name, at the addresses they give, confirmed. Raises TargetError."""
    at = {"intake": options.intake or None, "mpic": options.mpic or None, "wiki": options.wiki_url or None}
    return Target.read(options.target).confirmed(options.confirm).at(**at)


def new_manifest(
    run_id: str, options: TrafficOptions, target: Target, settings: PlanSettings, fidelity: str = "synthetic"
) -> Manifest:
    """Return the manifest of a new run.

    Args:
        run_id: name of its folder.
        options: what was asked for.
        target: the systems under test.
        settings: of the plan.
        fidelity: who makes the events; several are joined by commas.

    Raises:
        OptionError: the batch size is out of range.
    """
    if not 1 <= options.batch <= 1000:
        raise OptionError(f"--batch has to be between 1 and 1000, not {options.batch}")
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
        experiment = _named(mpic.raw_experiments(options.generation), options.experiment, "experiment", target)
        name = options.instrument or options.experiment
        return experiment, _named(mpic.raw_instruments(), name, "instrument", target)


def _named(configs: list[object], name: str, kind: str, target: Target) -> Mapping[str, object]:
    # One without a slug is found by its name, so that what is missing can be told.
    found = next(
        (item for item in configs if isinstance(item, dict) and item.get("slug", item.get("name")) == name), None
    )
    if found is None:
        raise OptionError(f"MPIC at {target.mpic} has no {kind} {name!r}: create it there, or name another")
    return found
