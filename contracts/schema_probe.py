"""Probe whether the intake serves a schema, with an event that it must refuse, so nothing is produced."""

from enum import StrEnum
from typing import NamedTuple

import httpx

from common.egress import Egress
from common.http import open_client
from contracts.intake import first_reason

_TIMEOUT_S = 10.0


class Served(StrEnum):
    """Whether the intake can load a schema; UNKNOWN when its response is inconclusive."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class SchemaAnswer(NamedTuple):
    """The intake's response to an event that names a schema and lacks its required fields.

    Attributes:
        served: whether the intake can load the schema.
        detail: the reason in the response, or why there is none.
    """

    served: Served
    detail: str


def probe_schema(
    intake: str, schema: str, stream: str, egress: Egress, *, transport: httpx.BaseTransport | None = None
) -> SchemaAnswer:
    """Return whether the *intake* serves *schema*. Raises nothing.

    Args:
        intake: address to which events are posted, without `hasty`.
        schema: URI of the schema.
        stream: stream that the event names.
        egress: the policy for the connection.
        transport: replaces the network, for tests.
    """
    try:
        with open_client(egress, timeout_s=_TIMEOUT_S, transport=transport) as client:
            answer = client.post(intake, json={"$schema": schema, "meta": {"stream": stream}})
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return SchemaAnswer(Served.UNKNOWN, f"no answer to an event ({error})")
    return read_answer(answer.status_code, first_reason("", answer.content))


def read_answer(status: int, reason: str) -> SchemaAnswer:
    """Interpret the response: EventGate names missing fields only after it has loaded the schema."""
    if status == 400 and "required" in reason:
        return SchemaAnswer(Served.YES, reason)
    if "schema" in reason.lower():
        return SchemaAnswer(Served.NO, reason)
    detail = f"an event without its required fields is answered {status}: {reason or 'nothing'}"
    return SchemaAnswer(Served.UNKNOWN, detail)
