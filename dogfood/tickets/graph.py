"""Graph of the tickets: parents, dependencies, and the order in which to create them."""

from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from dogfood.tickets.ticket import Ticket, TicketError


def in_order(tickets: Iterable[Ticket]) -> tuple[Ticket, ...]:
    """Return *tickets* sorted so that each follows its parent and its dependencies, and otherwise by slug.

    One request can then create a task with all its edges, so that no incomplete task is left behind.

    Raises:
        TicketError: a slug is not unique, a named ticket is missing, or there is a cycle.
    """
    by_slug = _by_slug(tickets)
    for ticket in by_slug.values():
        _check_names(ticket, by_slug)
    # A parent is done when its parts are done.
    waits: dict[str, set[str]] = {slug: set(ticket.depends_on) for slug, ticket in by_slug.items()}
    for ticket in by_slug.values():
        if ticket.parent is not None:
            waits[ticket.parent].add(ticket.slug)
    _sorted(waits, "tickets wait for each other (a parent waits for its parts)")
    first = {
        slug: {*ticket.depends_on, *([ticket.parent] if ticket.parent else [])} for slug, ticket in by_slug.items()
    }
    order = _sorted(first, "tickets cannot be created with parents and dependencies first")
    return tuple(by_slug[slug] for slug in order)


def tree(tickets: Iterable[Ticket]) -> Iterator[tuple[int, Ticket]]:
    """Yield each ticket with its depth, parts right after their parent.

    Args:
        tickets: tickets in the order of siblings.
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
    by_slug: dict[str, Ticket] = {}
    for ticket in tickets:
        if ticket.slug in by_slug:
            raise TicketError(f"ticket {ticket.slug!r} exists twice; rename one")
        by_slug[ticket.slug] = ticket
    return by_slug


def _check_names(ticket: Ticket, by_slug: Mapping[str, Ticket]) -> None:
    if ticket.parent is not None and ticket.parent not in by_slug:
        raise TicketError(f"ticket {ticket.slug!r}: its parent {ticket.parent!r} does not exist{_known(by_slug)}")
    for name in ticket.depends_on:
        if name not in by_slug:
            raise TicketError(f"ticket {ticket.slug!r} depends on {name!r}, which does not exist{_known(by_slug)}")
        if by_slug[name].parent == ticket.slug:
            raise TicketError(f"ticket {ticket.slug!r} depends on its part {name!r}; leave that out, it is implied")


def _known(by_slug: Mapping[str, Ticket]) -> str:
    return f" (tickets: {', '.join(sorted(by_slug))})"


def _sorted(before: Mapping[str, Iterable[str]], problem: str) -> list[str]:
    """Return the keys in topological order, ties by name. Raises TicketError with the cycle."""
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
