"""The configs that MPIC serves: what will the wiki and its client make of them, by the contract?"""

from collections.abc import Iterable, Mapping, Sequence

from contracts.assignment import Generation
from contracts.client_behaviour import ConfigFault, experiment_faults, faults_of_others, instrument_faults
from contracts.configs import ConfigError, Experiment, parse_experiment, parse_instrument, read_instruments
from dogfood.doctor.diagnosis import Diagnosis, fine, missing, unknown

_HELP, _CHECKS = "docs/guide/troubleshooting.md", "docs/reference/checks.md"


def examine_experiments(
    configs: Sequence[object], generation: Generation, name: str, wiki: str
) -> tuple[Experiment | None, list[Diagnosis]]:
    """Return the experiment *name*, None where it cannot be read, and what is wrong with it or hits every page.

    Args:
        configs: as MPIC serves them.
        generation: whose shape they have.
        name: slug of the experiment.
        wiki: database name, which selects the sample rate.
    """
    own, others = _own(configs, name)
    diagnoses = [
        missing("mpic", "other experiments", fault.sentence, "put it right in MPIC: it hits every page", _HELP)
        for fault in faults_of_others(generation, (item for item in others if _is_on(item)))
    ]
    if own is None:
        told = f"there is no experiment {name!r} of generation {generation}"
        remedy = "create it in MPIC and switch it on, or name another with --experiment; on the testbed, dogfood up"
        return None, [*diagnoses, missing("mpic", "experiment", told, remedy, _HELP)]
    try:
        experiment = parse_experiment(generation, own)
    except ConfigError:
        experiment = None
    faults = experiment_faults(generation, own)
    if experiment is not None:
        rate = experiment.sample_rate.of(wiki)
        if rate <= 0:
            told = f"{name} takes nobody on {wiki}"
            remedy = "give the wiki a rate in MPIC, or name another with --wiki"
            return experiment, [*diagnoses, missing("mpic", "sample rate", told, remedy, _HELP)]
        return experiment, [*diagnoses, fine("mpic", "sample rate", f"{name} takes {rate:g} of the users of {wiki}")]
    return None, [*diagnoses, *_told("experiment", faults)]


def examine_instruments(configs: Sequence[object], name: str, wiki: str) -> tuple[str, list[Diagnosis]]:
    """Return the stream of the instrument *name*, empty where there is none, and what the client makes of it.

    Args:
        configs: as MPIC serves them.
        name: slug of the instrument.
        wiki: database name, which selects the sample rate.
    """
    own, others = _own(configs, name)
    faults_elsewhere = read_instruments(others).faults
    noted = [of_others("mpic", "instruments", faults_elsewhere)] if faults_elsewhere else []
    if own is None:
        told, remedy = f"there is no instrument {name!r}", "create it in MPIC, or name another with --instrument"
        return "", [*noted, missing("mpic", "instrument", told, remedy, _HELP)]
    stream = str(own.get("stream_name") or "")
    if faults := instrument_faults(own, wiki):
        return stream, [*noted, *_told("instrument", faults)]
    rate = parse_instrument(own).sample_rate.of(wiki)
    if rate < 1:
        told = f"{name} takes {rate:g} of the traffic on top of the experiment's own sample"
        remedy = "set the instrument's rate to 1 for an experiment"
        return stream, [*noted, missing("mpic", "instrument", told, remedy, _CHECKS)]
    return stream, [*noted, fine("mpic", "instrument", f"{name} is on and writes to {stream}")]


def of_others(area: str, what: str, faults: Sequence[ConfigError]) -> Diagnosis:
    """Return that configs of others cannot be read, which is no matter of a run."""
    told = f"{len(faults)} of other {what} cannot be read: {faults[0]}"
    return unknown(area, f"other {what}", told, "tell their owners; a run does not depend on them")


def _own(configs: Iterable[object], name: str) -> tuple[Mapping[str, object] | None, list[object]]:
    """Return the config called *name*, and all others; one without a slug is found by its name."""
    known = list(configs)
    own = next((item for item in known if isinstance(item, dict) and item.get("slug", item.get("name")) == name), None)
    return own, [item for item in known if item is not own]


def _is_on(config: object) -> bool:
    return not isinstance(config, Mapping) or bool(config.get("status", 1))


def _told(subject: str, faults: Iterable[ConfigFault]) -> list[Diagnosis]:
    return [missing("mpic", subject, fault.sentence, "put the config right in MPIC", _HELP) for fault in faults]
