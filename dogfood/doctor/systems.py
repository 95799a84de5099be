"""Checks of a target's systems, MPIC, wiki and intake: they answer and serve what a run needs.

Requests go only to hosts of the target, follow no redirects and change nothing. The only one that posts sends a
canary: an event that the intake has to refuse.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import httpx

from common.egress import Egress
from common.http import open_client
from common.urls import join_path
from contracts.client_behaviour import stream_faults
from contracts.configs import ConfigError, Experiment
from contracts.generation import Generation
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


class RunNeeds(NamedTuple):
    """What a run needs from the systems.

    Attributes:
        generation: generation of the platform.
        experiment, instrument: slugs in MPIC.
        wiki: database name, which selects the sample rate.
        now: time at which the experiment has to be active.
        send_canary: whether to post an event that the intake has to refuse, to check whether it knows the schema.
    """

    generation: Generation
    experiment: str
    instrument: str
    wiki: str
    now: datetime
    send_canary: bool


class Systems(NamedTuple):
    """Result of examining a target's systems.

    Attributes:
        diagnoses: diagnoses of MPIC, the wiki and the intake.
        experiment: the run's experiment; None when MPIC does not serve it.
    """

    diagnoses: tuple[Diagnosis, ...]
    experiment: Experiment | None


def examine_systems(
    target: Target, needs: RunNeeds, egress: Egress, transport: httpx.BaseTransport | None = None
) -> Systems:
    """Examine the systems of *target*.

    Args:
        target: target with the systems.
        needs: configs and schemas that the run needs.
        egress: policy for connections to them.
        transport: transport of the requests, for tests.

    Raises:
        EgressError: the policy does not allow a request.
    """
    diagnoses: list[Diagnosis] = []
    experiment: Experiment | None = None
    stream = ""
    with MpicClient(target.mpic, egress=egress, transport=transport) as mpic:
        try:
            configs = mpic.raw_experiments(needs.generation)
            diagnoses.append(fine("mpic", "experiments", f"{target.mpic} serves {len(configs)}"))
            experiment, own = examine_experiments(configs, needs.generation, needs.experiment, needs.wiki)
            diagnoses += own
            diagnoses += [] if experiment is None else _active(experiment, needs)
        except MpicError as error:
            diagnoses.append(_mpic_fault("experiments", error))
        try:
            stream, own = examine_instruments(mpic.raw_instruments(), needs.instrument, needs.wiki)
            diagnoses += own
        except MpicError as error:
            diagnoses.append(_mpic_fault("instruments", error))
    diagnoses += _wiki(target, stream, needs, egress, transport)
    diagnoses += _intake(target, stream, needs, egress, transport)
    return Systems(tuple(diagnoses), experiment)


def _mpic_fault(subject: str, error: MpicError) -> Diagnosis:
    return missing("mpic", subject, str(error), "start it, or correct the target's address of MPIC", _TARGETS)


def _active(experiment: Experiment, needs: RunNeeds) -> Iterator[Diagnosis]:
    name = needs.experiment
    if experiment.is_active(needs.now):
        yield fine("mpic", "experiment", f"{name} is active, with groups {', '.join(experiment.groups)}")
    else:
        why = "its status is off" if needs.generation is Generation.ALPHA else "now is not between start and end"
        summary = f"{name} is not active: {why}"
        yield missing("mpic", "experiment", summary, "switch it on in MPIC, or correct its dates", _HELP)


def _wiki(
    target: Target, stream: str, needs: RunNeeds, egress: Egress, transport: httpx.BaseTransport | None
) -> Iterator[Diagnosis]:
    if not target.wiki:
        yield unknown("wiki", "stream configs", f"target {target.name!r} names no wiki", "add one to it", _TARGETS)
        return
    query = {"action": "streamconfigs", "format": "json"}
    try:
        with open_client(egress, transport=transport) as client:
            response = client.get(join_path(target.wiki, "api.php"), params=query)
        response.raise_for_status()
        content = response.json()
        configs, faults = read_stream_configs(content)
    except httpx.TransportError as error:
        yield missing(
            "wiki", "reachable", f"{target.wiki} does not answer ({error})", "start it, or correct the target",
            _TARGETS,
        )  # fmt: skip
        return
    except (httpx.HTTPStatusError, ValueError, ConfigError) as error:
        reason = " ".join(str(error).split("\n")[0].split())
        yield missing(
            "wiki", "stream configs", f"{target.wiki}/api.php exports none ({reason})",
            "set the target's wiki to the address of the folder with api.php, and load EventStreamConfig", _WIKI,
        )  # fmt: skip
        return
    yield fine("wiki", "stream configs", f"{target.wiki} exports {len(configs)}")
    others = [error for name, error in faults.items() if name != stream]
    if others:
        yield of_others("wiki", "streams", others)
    if stream:
        yield _stream(configs.get(stream), content["streams"], stream, needs)


def _stream(parsed: StreamConfig | None, exported: object, name: str, needs: RunNeeds) -> Diagnosis:
    config = exported.get(name) if isinstance(exported, dict) else None
    for fault in stream_faults(name, config if isinstance(config, dict) else None):
        return missing("wiki", "stream", fault.sentence, "correct the instrument in MPIC, or $wgEventStreams", _WIKI)
    if parsed is None:
        return missing(
            "wiki", "stream", f"{name} is not exported", "list it in $wgEventLoggingStreamNames, or switch the "
            "instrument on and wait a minute", _WIKI,
        )  # fmt: skip
    expected = profile_of(needs.generation).schema.rpartition("/")[0].removeprefix("/")
    if parsed.schema_title != expected:
        return missing(
            "wiki", "stream", f"{name} has schema {parsed.schema_title}, events would have {expected}",
            "correct the stream's config", _WIKI,
        )  # fmt: skip
    return fine("wiki", "stream", f"{name} is exported with schema {parsed.schema_title}")


def _intake(
    target: Target, stream: str, needs: RunNeeds, egress: Egress, transport: httpx.BaseTransport | None
) -> Iterator[Diagnosis]:
    try:
        check_reachable(target.intake, egress, transport=transport)
    except IntakeError as error:
        yield missing("intake", "reachable", str(error), "start it, or correct the target's intake", _TARGETS)
        return
    yield fine("intake", "reachable", target.intake)
    schema = profile_of(needs.generation).schema
    if not needs.send_canary:
        yield unknown(
            "intake", "schema", f"not checked for {schema}", "add --send-canary, which posts an event that is refused"
        )
        return
    with TargetBudget.open(target, "dogfood doctor") as budget:
        if budget.rate_limiter().wait(1) > 0:
            yield unknown("intake", "schema", "not checked: current runs use all requests that the target allows")
            return
        response = probe_schema(target.intake, schema, stream, egress, transport=transport)
    if response.served is Served.YES:
        yield fine("intake", "schema", f"{schema} is known")
    elif response.served is Served.NO:
        yield missing(
            "intake", "schema", f"{schema} is not known: {response.detail}",
            "deploy the schema, or let the client name a deployed version", _HELP,
        )  # fmt: skip
    else:
        remedy = "check that this is EventGate, without hasty in the target's address; see the intake's log"
        yield missing("intake", "schema", response.detail, remedy, _TARGETS)
