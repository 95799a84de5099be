"""A target's systems: do they answer, and do they serve what a run needs?

Only hosts that the target names are asked, redirects are not followed, and nothing is changed; the one request that
posts anything posts an event that the intake has to refuse.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import httpx

from common.egress import Egress
from common.http import open_client
from common.urls import join_path
from contracts.assignment import Generation
from contracts.client_behaviour import stream_faults
from contracts.configs import ConfigError, Experiment
from contracts.intake import IntakeError, check_reachable
from contracts.mpic_client import MpicClient, MpicError
from contracts.profiles import profile_of
from contracts.schema_probe import Served, probe_schema
from contracts.streams import StreamConfig, read_stream_configs
from dogfood.doctor.configs import examine_experiments, examine_instruments, of_others
from dogfood.doctor.diagnosis import Diagnosis, fine, missing, unknown
from run_record.target import Target
from run_record.target_budget import TargetBudget

_TARGETS, _WIKI, _HELP = "docs/reference/targets.md", "docs/guide/local-testwiki.md", "docs/guide/troubleshooting.md"


class Probe(NamedTuple):
    """What a run would need of the systems.

    Attributes:
        generation: of the platform.
        experiment, instrument: slugs in MPIC.
        wiki: database name, which selects the sample rate.
        now: the moment at which the experiment has to be active.
        probe: whether to post an event that the intake has to refuse, to see which schemas it knows.
    """

    generation: Generation
    experiment: str
    instrument: str
    wiki: str
    now: datetime
    probe: bool


class Systems(NamedTuple):
    """What the systems of a target serve.

    Attributes:
        diagnoses: of MPIC, the wiki and the intake.
        experiment: that was asked for; None when MPIC does not serve it.
    """

    diagnoses: tuple[Diagnosis, ...]
    experiment: Experiment | None


def examine_systems(
    target: Target, question: Probe, egress: Egress, transport: httpx.BaseTransport | None = None
) -> Systems:
    """Ask the systems of *target*.

    Args:
        target: which systems.
        question: what they have to serve.
        egress: the policy for connections to them.
        transport: how requests are made; for tests.

    Raises:
        EgressError: the policy does not allow what was asked for.
    """
    diagnoses: list[Diagnosis] = []
    experiment: Experiment | None = None
    stream = ""
    with MpicClient(target.mpic, egress=egress, transport=transport) as mpic:
        try:
            configs = mpic.raw_experiments(question.generation)
            diagnoses.append(fine("mpic", "experiments", f"{target.mpic} serves {len(configs)}"))
            experiment, found = examine_experiments(configs, question.generation, question.experiment, question.wiki)
            diagnoses += found
            diagnoses += [] if experiment is None else _active(experiment, question)
        except MpicError as error:
            diagnoses.append(_mpic_fault("experiments", error))
        try:
            stream, found = examine_instruments(mpic.raw_instruments(), question.instrument, question.wiki)
            diagnoses += found
        except MpicError as error:
            diagnoses.append(_mpic_fault("instruments", error))
    diagnoses += _wiki(target, stream, question, egress, transport)
    diagnoses += _intake(target, stream, question, egress, transport)
    return Systems(tuple(diagnoses), experiment)


def _mpic_fault(subject: str, error: MpicError) -> Diagnosis:
    return missing("mpic", subject, str(error), "start it, or put the target's address of MPIC right", _TARGETS)


def _active(found: Experiment, question: Probe) -> Iterator[Diagnosis]:
    name = question.experiment
    if found.is_active(question.now):
        yield fine("mpic", "experiment", f"{name} is active, with groups {', '.join(found.groups)}")
    else:
        why = "its status is off" if question.generation is Generation.ALPHA else "now is not between start and end"
        told = f"{name} is not active: {why}"
        yield missing("mpic", "experiment", told, "switch it on in MPIC, or mend its dates", _HELP)


def _wiki(
    target: Target, stream: str, question: Probe, egress: Egress, transport: httpx.BaseTransport | None
) -> Iterator[Diagnosis]:
    if not target.wiki:
        yield unknown("wiki", "stream configs", f"target {target.name!r} names no wiki", "add one to it", _TARGETS)
        return
    query = {"action": "streamconfigs", "format": "json"}
    try:
        with open_client(egress, transport=transport) as client:
            answer = client.get(join_path(target.wiki, "api.php"), params=query)
        answer.raise_for_status()
        content = answer.json()
        configs, faults = read_stream_configs(content)
    except httpx.TransportError as error:
        yield missing(
            "wiki", "reachable", f"{target.wiki} does not answer ({error})", "start it, or put the target right",
            _TARGETS,
        )  # fmt: skip
        return
    except (httpx.HTTPStatusError, ValueError, ConfigError) as error:
        what = " ".join(str(error).split("\n")[0].split())
        yield missing(
            "wiki", "stream configs", f"{target.wiki}/api.php exports none ({what})",
            "the target's wiki is the address below which api.php is; EventStreamConfig has to be loaded", _WIKI,
        )  # fmt: skip
        return
    yield fine("wiki", "stream configs", f"{target.wiki} exports {len(configs)}")
    others = [error for name, error in faults.items() if name != stream]
    if others:
        yield of_others("wiki", "streams", others)
    if stream:
        yield _stream(configs.get(stream), content["streams"], stream, question)


def _stream(found: StreamConfig | None, exported: object, name: str, question: Probe) -> Diagnosis:
    config = exported.get(name) if isinstance(exported, dict) else None
    for fault in stream_faults(name, config if isinstance(config, dict) else None):
        return missing("wiki", "stream", fault.sentence, "mend the instrument in MPIC, or $wgEventStreams", _WIKI)
    if found is None:
        return missing(
            "wiki", "stream", f"{name} is not exported", "list it in $wgEventLoggingStreamNames, or switch the "
            "instrument on and wait a minute", _WIKI,
        )  # fmt: skip
    wanted = profile_of(question.generation).schema.rpartition("/")[0].removeprefix("/")
    if found.schema_title != wanted:
        return missing(
            "wiki", "stream", f"{name} has schema {found.schema_title}, events would have {wanted}",
            "mend the stream's config", _WIKI,
        )  # fmt: skip
    return fine("wiki", "stream", f"{name} is exported with schema {found.schema_title}")


def _intake(
    target: Target, stream: str, question: Probe, egress: Egress, transport: httpx.BaseTransport | None
) -> Iterator[Diagnosis]:
    try:
        check_reachable(target.intake, egress, transport=transport)
    except IntakeError as error:
        yield missing("intake", "reachable", str(error), "start it, or put the target's intake right", _TARGETS)
        return
    yield fine("intake", "reachable", target.intake)
    schema = profile_of(question.generation).schema
    if not question.probe:
        yield unknown("intake", "schema", f"not asked for {schema}", "with --probe an event is posted that is refused")
        return
    with TargetBudget.open(target, "dogfood doctor") as budget:
        if budget.rate_limiter().wait(1) > 0:
            yield unknown("intake", "schema", "not asked: runs that go on now use all that the target allows")
            return
        answer = probe_schema(target.intake, schema, stream, egress, transport=transport)
    if answer.served is Served.YES:
        yield fine("intake", "schema", f"{schema} is known")
    elif answer.served is Served.NO:
        yield missing(
            "intake", "schema", f"{schema} is not known: {answer.detail}",
            "deploy the schema, or let the client name a version that is there", _HELP,
        )  # fmt: skip
    else:
        remedy = "is this EventGate, without hasty in the target's address? Look at the intake's log"
        yield missing("intake", "schema", answer.detail, remedy, _TARGETS)
