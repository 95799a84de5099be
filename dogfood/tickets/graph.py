"""How tickets hang together: which is part of which, which waits for which, and the order in which to make them."""

from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from dogfood.tickets.ticket import Ticket, TicketError


def in_order(tickets: Iterable[Ticket]) -> tuple[Ticket, ...]:
    """Return *tickets* so that each comes after its parent and after all it depends on; otherwise by slug.

    A task can then be made together with all its edges in one request, and no half-made task can be left behind.

    Raises:
        TicketError: two have the same slug, one names a ticket that is not there, or they go round in a circle.
    """
    book = _by_slug(tickets)
    for ticket in book.values():
        _check_names(ticket, book)
    # What blocks what: a parent is done when its parts are done.
    waits: dict[str, set[str]] = {slug: set(ticket.depends_on) for slug, ticket in book.items()}
    for ticket in book.values():
        if ticket.parent is not None:
            waits[ticket.parent].add(ticket.slug)
    _sorted(waits, "tickets wait for each other (a parent waits for its parts)")
    first = {slug: {*ticket.depends_on, *([ticket.parent] if ticket.parent else [])} for slug, ticket in book.items()}
    order = _sorted(first, "tickets cannot be made parents and dependencies first")
    return tuple(book[slug] for slug in order)


def tree(tickets: Iterable[Ticket]) -> Iterator[tuple[int, Ticket]]:
    """Yield each ticket with how deep below the top it is, parts right after what they are part of.

    Args:
        tickets: in the order in which those with the same parent are wanted.
    """
    parts: dict[str | None, list[Ticket]] = {}
    for ticket in tickets:
        parts.setdefault(ticket.parent, []).append(ticket)
    waiting = [(0, ticket) for ticket in reversed(parts.get(None, []))]
    while waiting:
        depth, ticket = waiting.pop()
        yield depth, ticket
        waiting.extend((depth + 1, part) for part in reversed(parts.get(ticket.slug, [])))


def _by_slug(tickets: Iterable[Ticket]) -> dict[str, Ticket]:
    book: dict[str, Ticket] = {}
    for ticket in tickets:
        if ticket.slug in book:
            raise TicketError(f"ticket {ticket.slug!r} is there twice")
        book[ticket.slug] = ticket
    return book


def _check_names(ticket: Ticket, book: Mapping[str, Ticket]) -> None:
    if ticket.parent is not None and ticket.parent not in book:
        raise TicketError(f"ticket {ticket.slug!r}: its parent {ticket.parent!r} is not there{_known(book)}")
    for name in ticket.depends_on:
        if name not in book:
            raise TicketError(f"ticket {ticket.slug!r} depends on {name!r}, which is not there{_known(book)}")
        if book[name].parent == ticket.slug:
            raise TicketError(f"ticket {ticket.slug!r} depends on its own part {name!r}: leave that out, it is implied")


def _known(book: Mapping[str, Ticket]) -> str:
    return f" (there are: {', '.join(sorted(book))})"


def _sorted(before: Mapping[str, Iterable[str]], problem: str) -> list[str]:
    """Return the keys, each after what has to come before it, ties by name. Raises TicketError with the circle."""
    sorter = TopologicalSorter({name: sorted(before[name]) for name in sorted(before)})
    try:
        sorter.prepare()
    except CycleError as error:
        raise TicketError(f"{problem}: {' → '.join(reversed(error.args[1]))}") from None
    order: list[str] = []
    while ready := sorted(sorter.get_ready()):
        order.extend(ready)
        sorter.done(*ready)
    return order
