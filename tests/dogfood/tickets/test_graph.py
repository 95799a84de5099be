"""Order of tickets: parents and dependencies first; cycles are errors."""

from collections.abc import Sequence
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogfood.tickets.graph import in_order, tree
from dogfood.tickets.ticket import Ticket, TicketError
from tests.dogfood.tickets.conftest import EPIC, ticket


@st.composite
def plans(draw: st.DrawFn) -> list[Ticket]:
    """Tickets that can be ordered: each names only tickets before it, and none of those it is a part of."""
    items: list[Ticket] = []
    above: dict[str, set[str]] = {}
    for number in range(draw(st.integers(1, 12))):
        slug = f"t{number}"
        parent = draw(st.none() | st.sampled_from([item.slug for item in items])) if items else None
        above[slug] = {parent, *above[parent]} if parent else set()
        # Sisters only: a ticket that waits for another's part may make that other one wait for itself.
        others = [item.slug for item in items if item.parent == parent]
        after = draw(st.lists(st.sampled_from(others), unique=True)) if others else []
        items.append(ticket(slug, parent=parent, after=tuple(after)))
    return items


def positions(tickets: Sequence[Ticket]) -> dict[str | None, int]:
    return {item.slug: index for index, item in enumerate(tickets)}


@given(plans(), st.randoms(use_true_random=False))
def test_tickets_follow_their_references(tickets: list[Ticket], random: Random) -> None:
    ordered = in_order(tickets)
    assert sorted(item.slug for item in ordered) == sorted(item.slug for item in tickets)
    position = positions(ordered)
    for item in ordered:
        before = {*item.depends_on, item.parent} - {None}
        assert all(position[name] < position[item.slug] for name in before)
    shuffled = list(tickets)
    random.shuffle(shuffled)
    assert in_order(shuffled) == ordered


@given(plans())
def test_tree_has_tickets_below_their_parents(tickets: list[Ticket]) -> None:
    rows = list(tree(in_order(tickets)))
    assert sorted(item.slug for _, item in rows) == sorted(item.slug for item in tickets)
    path: list[str] = []
    for depth, item in rows:
        del path[depth:]
        assert item.parent == (path[-1] if path else None)
        path.append(item.slug)


@given(st.integers(1, 8))
def test_a_circle_of_any_size_is_named(size: int) -> None:
    ring = [ticket(f"t{number}", after=(f"t{(number + 1) % size}",)) for number in range(size)]
    with pytest.raises(TicketError, match="wait for each other") as caught:
        in_order(ring)
    assert all(item.slug in str(caught.value) for item in ring)


@pytest.mark.parametrize(
    ("tickets", "says"),
    [
        ((ticket("a", parent="b"),), r"ticket 'a': its parent 'b' does not exist \(tickets: a\)"),
        ((ticket("a", after=("b",)),), "ticket 'a' depends on 'b', which does not exist"),
        ((ticket("a"), ticket("a")), "ticket 'a' exists twice"),
        ((ticket("a", parent="a"),), "a → a"),
        ((ticket("a", parent="b"), ticket("b", parent="a")), "a → b → a|b → a → b"),
        ((ticket("a"), ticket("b", parent="a", after=("a",))), "a → b → a|b → a → b"),
        ((ticket("a", after=("b",)), ticket("b", parent="a")), "depends on its part 'b'"),
        (
            (ticket("p", after=("d",)), ticket("c", parent="p"), ticket("q", after=("c",)), ticket("d", parent="q")),
            "cannot be created with parents and dependencies first: ",
        ),
    ],
)
def test_contradicting_tickets_are_one_line(tickets: tuple[Ticket, ...], says: str) -> None:
    with pytest.raises(TicketError, match=says) as caught:
        in_order(tickets)
    assert "\n" not in str(caught.value)


def test_an_arrow_points_at_what_is_waited_for() -> None:
    with pytest.raises(TicketError) as caught:
        in_order((ticket("a", after=("b",)), ticket("b", after=("c",)), ticket("c", after=("a",))))
    circle = str(caught.value).rpartition(": ")[2].split(" → ")
    waits = {"a": "b", "b": "c", "c": "a"}
    assert all(waits[one] == other for one, other in pairwise(circle))


def test_ties_are_ordered_by_name() -> None:
    assert [item.slug for item in in_order(reversed(EPIC))] == ["the-epic", "one", "three", "two"]
