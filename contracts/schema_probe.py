"""Does the intake serve a schema? Asked with an event that it has to refuse, so that nothing is produced."""

from enum import StrEnum
from typing import NamedTuple

import httpx

from common.egress import Egress
from common.http import open_client
from contracts.intake import first_reason

_TIMEOUT_S = 10.0


class Served(StrEnum):
    """Whether the intake can load a schema; UNKNOWN: its answer does not tell."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class SchemaAnswer(NamedTuple):
    """What the intake answers to an event that names a schema and lacks what the schema requires.

    Attributes:
        served: whether it can load the schema.
        told: its own words, or why there are none.
    """

    served: Served
    told: str


def probe_schema(
    intake: str, schema: str, stream: str, egress: Egress, *, transport: httpx.BaseTransport | None = None
) -> SchemaAnswer:
    """Ask the *intake* whether it serves *schema*. Raises nothing.

    Args:
        intake: where events are posted to, without `hasty`.
        schema: URI, as an event names it.
        stream: that the event names.
        egress: the policy for the connection.
        transport: how the request is made; for tests.
    """
    try:
        with open_client(egress, timeout_s=_TIMEOUT_S, transport=transport) as client:
            answer = client.post(intake, json={"$schema": schema, "meta": {"stream": stream}})
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return SchemaAnswer(Served.UNKNOWN, f"no answer to an event ({error})")
    return read_answer(answer.status_code, first_reason("", answer.content))


def read_answer(status: int, reason: str) -> SchemaAnswer:
    """Read the answer to such an event: EventGate says what is missing only when it has loaded the schema."""
    if status == 400 and "required" in reason:
        return SchemaAnswer(Served.YES, reason)
    if "schema" in reason.lower():
        return SchemaAnswer(Served.NO, reason)
    told = f"an event without its required fields is answered {status}: {reason or 'nothing'}"
    return SchemaAnswer(Served.UNKNOWN, told)
