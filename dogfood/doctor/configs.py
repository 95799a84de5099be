"""Checks of MPIC's configs: how the wiki and its client will read them, by the contract."""

from collections.abc import Iterable, Mapping, Sequence

from contracts.client_behaviour import ConfigFault, experiment_faults, faults_of_others, instrument_faults
from contracts.configs import ConfigError, Experiment, parse_experiment, parse_instrument, read_instruments
from contracts.generation import Generation
from dogfood.doctor.diagnosis import Diagnosis, fine, missing, unknown

_HELP, _CHECKS = "docs/guide/troubleshooting.md", "docs/reference/checks.md"


def examine_experiments(
    configs: Sequence[object], generation: Generation, name: str, wiki: str
) -> tuple[Experiment | None, list[Diagnosis]]:
    """Return the experiment *name*, None where it cannot be read, with its faults and those that break every page.

    Args:
        configs: the experiments that MPIC serves.
        generation: generation of their shape.
        name: slug of the experiment.
        wiki: database name, which selects the sample rate.
    """
    own, others = _own(configs, name)
    diagnoses = [
        missing("mpic", "other experiments", fault.sentence, "correct it in MPIC: it breaks every page", _HELP)
        for fault in faults_of_others(generation, (item for item in others if _is_on(item)))
    ]
    if own is None:
        summary = f"there is no experiment {name!r} of generation {generation}"
        remedy = "create it in MPIC and switch it on, or name another with --experiment; on the testbed, dogfood up"
        return None, [*diagnoses, missing("mpic", "experiment", summary, remedy, _HELP)]
    try:
        experiment = parse_experiment(generation, own)
    except ConfigError:
        experiment = None
    faults = experiment_faults(generation, own)
    if experiment is not None:
        rate = experiment.sample_rate.of(wiki)
        if rate <= 0:
            summary = f"{name} enrols nobody on {wiki}"
            remedy = "set a sample rate for the wiki in MPIC, or name another with --wiki"
            return experiment, [*diagnoses, missing("mpic", "sample rate", summary, remedy, _HELP)]
        return experiment, [*diagnoses, fine("mpic", "sample rate", f"{name} enrols {rate:g} of the users of {wiki}")]
    return None, [*diagnoses, *_diagnoses("experiment", faults)]


def examine_instruments(configs: Sequence[object], name: str, wiki: str) -> tuple[str, list[Diagnosis]]:
    """Return the stream of the instrument *name*, empty without one, and how the client reads its config.

    Args:
        configs: the instruments that MPIC serves.
        name: slug of the instrument.
        wiki: database name, which selects the sample rate.
    """
    own, others = _own(configs, name)
    faults_elsewhere = read_instruments(others).faults
    notes = [of_others("mpic", "instruments", faults_elsewhere)] if faults_elsewhere else []
    if own is None:
        summary, remedy = f"there is no instrument {name!r}", "create it in MPIC, or name another with --instrument"
        return "", [*notes, missing("mpic", "instrument", summary, remedy, _HELP)]
    stream = str(own.get("stream_name") or "")
    if faults := instrument_faults(own, wiki):
        return stream, [*notes, *_diagnoses("instrument", faults)]
    rate = parse_instrument(own).sample_rate.of(wiki)
    if rate < 1:
        summary = f"{name} samples {rate:g} of the traffic on top of the experiment's sample"
        remedy = "set the instrument's sample rate to 1 for an experiment"
        return stream, [*notes, missing("mpic", "instrument", summary, remedy, _CHECKS)]
    return stream, [*notes, fine("mpic", "instrument", f"{name} is on and writes to {stream}")]


def of_others(area: str, what: str, faults: Sequence[ConfigError]) -> Diagnosis:
    """Return the note that other configs cannot be read; a run does not depend on them."""
    summary = f"{len(faults)} of other {what} cannot be read: {faults[0]}"
    return unknown(area, f"other {what}", summary, "tell their owners; a run does not depend on them")


def _own(configs: Iterable[object], name: str) -> tuple[Mapping[str, object] | None, list[object]]:
    """Return the config *name*, and all others. The name stands in for a missing slug."""
    listed = list(configs)
    own = next((item for item in listed if isinstance(item, dict) and item.get("slug", item.get("name")) == name), None)
    return own, [item for item in listed if item is not own]


def _is_on(config: object) -> bool:
    return not isinstance(config, Mapping) or bool(config.get("status", 1))


def _diagnoses(subject: str, faults: Iterable[ConfigFault]) -> list[Diagnosis]:
    return [missing("mpic", subject, fault.sentence, "correct the config in MPIC", _HELP) for fault in faults]
