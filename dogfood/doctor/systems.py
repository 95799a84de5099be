"""A target's systems: do they answer, and do they serve what a run needs?

Only hosts that the target names are asked, redirects are not followed, and nothing is changed; the one request that
posts anything posts an event that the intake has to refuse.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import httpx
import orjson

from common.egress import Egress
from common.http import open_client
from dogfood.doctor.diagnosis import Diagnosis, fine, missing, unknown
from metrics_platform.assignment import Generation
from metrics_platform.configs import ConfigError, Experiment, Instrument
from metrics_platform.errors import DogfoodError
from metrics_platform.intake import IntakeError, check_reachable
from metrics_platform.mpic import MpicClient, MpicError
from metrics_platform.streams import StreamConfig, parse_stream_configs
from personas.rendering import SCHEMAS
from run_record.budget import Budget
from run_record.target import Target

_TARGETS, _WIKI, _HELP = "docs/targets.md", "docs/testwiki.md", "docs/troubleshooting.md"


class Question(NamedTuple):
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
    target: Target, question: Question, egress: Egress, transport: httpx.BaseTransport | None = None
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
    instrument: Instrument | None = None
    with MpicClient(target.mpic, egress=egress, transport=transport) as mpic:
        try:
            experiments = mpic.experiments(question.generation)
            diagnoses.append(fine("mpic", "experiments", f"{target.mpic} serves {len(experiments)}"))
            experiment = next((item for item in experiments if item.name == question.experiment), None)
            diagnoses += _experiment(experiment, question)
        except (MpicError, ConfigError) as error:
            diagnoses.append(_mpic_fault("experiments", error))
        try:
            instruments = mpic.instruments()
            instrument = next((item for item in instruments if item.name == question.instrument), None)
            diagnoses.append(_instrument(instrument, question))
        except (MpicError, ConfigError) as error:
            diagnoses.append(_mpic_fault("instruments", error))
    stream = instrument.stream_name if instrument is not None else ""
    diagnoses += _wiki(target, stream, question, egress, transport)
    diagnoses += _intake(target, stream, question, egress, transport)
    return Systems(tuple(diagnoses), experiment)


def _mpic_fault(subject: str, error: DogfoodError) -> Diagnosis:
    if isinstance(error, ConfigError):
        return missing("mpic", subject, str(error), "put the config right in MPIC: the wiki breaks on it", _HELP)
    return missing("mpic", subject, str(error), "start it, or put the target's address of MPIC right", _TARGETS)


def _experiment(found: Experiment | None, question: Question) -> Iterator[Diagnosis]:
    name, subject = question.experiment, "experiment"
    if found is None:
        yield missing(
            "mpic", subject, f"there is no experiment {name!r} of generation {question.generation}",
            "create it in MPIC and switch it on, or name another with --experiment; on the testbed, dogfood up", _HELP,
        )  # fmt: skip
        return
    if found.is_active(question.now):
        yield fine("mpic", subject, f"{name} is active, with groups {', '.join(found.groups)}")
    else:
        why = "its status is off" if question.generation is Generation.ALPHA else "now is not between start and end"
        yield missing("mpic", subject, f"{name} is not active: {why}", "switch it on in MPIC, or mend its dates", _HELP)
    rate = found.sample_rate.of(question.wiki)
    if rate > 0:
        yield fine("mpic", "sample rate", f"{name} takes {rate:g} of the users of {question.wiki}")
    else:
        yield missing(
            "mpic", "sample rate", f"{name} takes nobody on {question.wiki}",
            "give the wiki a rate in MPIC, or name another with --wiki", _HELP,
        )  # fmt: skip


def _instrument(found: Instrument | None, question: Question) -> Diagnosis:
    name, subject = question.instrument, "instrument"
    if found is None:
        return missing(
            "mpic", subject, f"there is no instrument {name!r}", "create it in MPIC, or name another with --instrument",
            _HELP,
        )  # fmt: skip
    if not found.status:
        return missing("mpic", subject, f"{name} is switched off", "switch it on in MPIC", _HELP)
    rate = found.sample_rate.of(question.wiki)
    if rate < 1:
        return missing(
            "mpic", subject, f"{name} takes {rate:g} of the traffic on top of the experiment's own sample",
            "set the instrument's rate to 1 for an experiment", "docs/checks.md",
        )  # fmt: skip
    return fine("mpic", subject, f"{name} is on and writes to {found.stream_name}")


def _wiki(
    target: Target, stream: str, question: Question, egress: Egress, transport: httpx.BaseTransport | None
) -> Iterator[Diagnosis]:
    if not target.wiki:
        yield unknown("wiki", "stream configs", f"target {target.name!r} names no wiki", "add one to it", _TARGETS)
        return
    query = {"action": "streamconfigs", "format": "json"}
    try:
        with open_client(egress, transport=transport) as client:
            answer = client.get(f"{target.wiki}/api.php", params=query)
        answer.raise_for_status()
        configs = parse_stream_configs(answer.json())
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
    if stream:
        yield _stream(configs.get(stream), stream, question)


def _stream(found: StreamConfig | None, name: str, question: Question) -> Diagnosis:
    if found is None:
        return missing(
            "wiki", "stream", f"{name} is not exported", "list it in $wgEventLoggingStreamNames, or switch the "
            "instrument on and wait a minute", _WIKI,
        )  # fmt: skip
    wanted = SCHEMAS[question.generation].rpartition("/")[0].removeprefix("/")
    if found.schema_title != wanted:
        return missing(
            "wiki", "stream", f"{name} has schema {found.schema_title}, events would have {wanted}",
            "mend the stream's config", _WIKI,
        )  # fmt: skip
    return fine("wiki", "stream", f"{name} is exported with schema {found.schema_title}")


def _intake(
    target: Target, stream: str, question: Question, egress: Egress, transport: httpx.BaseTransport | None
) -> Iterator[Diagnosis]:
    try:
        check_reachable(target.intake, egress, transport=transport)
    except IntakeError as error:
        yield missing("intake", "reachable", str(error), "start it, or put the target's intake right", _TARGETS)
        return
    yield fine("intake", "reachable", target.intake)
    schema = SCHEMAS[question.generation]
    if not question.probe:
        yield unknown("intake", "schema", f"not asked for {schema}", "with --probe an event is posted that is refused")
        return
    try:
        with (
            Budget.open(target, "dogfood doctor") as budget,
            open_client(egress, transport=transport) as client,
        ):
            if budget.governor().wait(1) > 0:
                yield unknown("intake", "schema", "not asked: runs that go on now use all that the target allows")
                return
            answer = client.post(target.intake, json={"$schema": schema, "meta": {"stream": stream}})
    except httpx.TransportError as error:
        yield missing("intake", "schema", f"no answer to an event ({error})", "look at the intake's log", _HELP)
        return
    yield _schema(answer, schema)


def _schema(answer: httpx.Response, schema: str) -> Diagnosis:
    """Read the answer to an event that names *schema* and nothing that the schema requires."""
    said = _first_message(answer)
    if answer.status_code == 400 and "required" in said:
        return fine("intake", "schema", f"{schema} is known")
    if "schema" in said.lower():
        return missing(
            "intake", "schema", f"{schema} is not known: {said}",
            "deploy the schema, or let the client name a version that is there", _HELP,
        )  # fmt: skip
    told = f"an event without its required fields is answered {answer.status_code}: {said or 'nothing'}"
    return missing("intake", "schema", told, "is this EventGate, without hasty in the target's address?", _TARGETS)


def _first_message(answer: httpx.Response) -> str:
    try:
        content: object = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return ""
    for kind in ("invalid", "error"):
        failures = content.get(kind) if isinstance(content, dict) else None
        for failure in failures if isinstance(failures, list) else ():
            context = failure.get("context") if isinstance(failure, dict) else None
            if isinstance(context, dict):
                return str(context.get("errorsText") or context.get("message") or "")
    return ""
