"""Export of the tickets: CSV, JSON, and the requests that would create them in Phabricator."""

import csv
import io
from collections.abc import Sequence
from enum import StrEnum
from urllib.parse import urlencode

import orjson

from dogfood.tickets.conduit import form_pairs
from dogfood.tickets.create import transactions
from dogfood.tickets.ticket import PRIORITIES, Ticket

_COLUMNS = ("slug", "title", "priority", "tags", "parent", "depends_on", "command", "planned", "description")


#: First characters of a spreadsheet formula.
_FORMULA = ("=", "+", "-", "@", "|", "\uff1d", "\uff0b", "\uff0d", "\uff20")


class Format(StrEnum):
    """Format of an export."""

    CSV = "csv"
    JSON = "json"
    PHABRICATOR = "phabricator"


def export(tickets: Sequence[Ticket], kind: Format) -> str:
    """Return *tickets* in the format *kind*, in the given order.

    In `phabricator`, `<task slug>` and `<project tag>` stand for unknown PHIDs. It does not contain the token.
    """
    if kind is Format.CSV:
        return _csv(tickets)
    rows = [_row(ticket) for ticket in tickets] if kind is Format.JSON else [_request(ticket) for ticket in tickets]
    return orjson.dumps(rows, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def _csv(tickets: Sequence[Ticket]) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(_COLUMNS)
    for ticket in tickets:
        rows.writerow(_cell(value) for value in _row(ticket).values())
    return text.getvalue()


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case list():
            return inert(" ".join(value))
    return inert(str(value))


def inert(cell: str) -> str:
    """Return the text of a cell so that a spreadsheet shows it instead of running it as a formula."""
    # Spreadsheets skip leading blanks and treat full-width signs as the usual ones.
    bare = cell.lstrip()
    return f"'{cell}" if bare.startswith(_FORMULA) or cell[:1] in ("\t", "\r", "\n") else cell


def _row(ticket: Ticket) -> dict[str, object]:
    values = (
        ticket.slug,
        ticket.title,
        ticket.priority,
        list(ticket.tags),
        ticket.parent,
        list(ticket.depends_on),
        ticket.command,
        ticket.planned,
        ticket.description,
    )
    return dict(zip(_COLUMNS, values, strict=True))


def _request(ticket: Ticket) -> dict[str, object]:
    changes = transactions(
        ticket,
        keyword=PRIORITIES[ticket.priority][0],
        projects=[f"<project {tag}>" for tag in ticket.tags],
        parent=None if ticket.parent is None else f"<task {ticket.parent}>",
        dependencies=[f"<task {slug}>" for slug in ticket.depends_on],
    )
    form = urlencode(form_pairs({"transactions": changes}))
    return {"ticket": ticket.slug, "method": "maniphest.edit", "transactions": changes, "form": form}
