"""Tasks are created once, with all their edges, also after failures."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dogfood.tickets.conduit import Conduit, ConduitError
from dogfood.tickets.create import CreationPlan, create, plan_creation
from dogfood.tickets.graph import in_order
from dogfood.tickets.ticket import Ticket, TicketError, marked_slugs
from tests.dogfood.tickets.conftest import EPIC, ticket
from tests.dogfood.tickets.phabricator import NOW_S, TOKEN, Phabricator, serving

_DAY_S = 24 * 3600


def plan(conduit: Conduit, tickets: Sequence[Ticket] = EPIC) -> CreationPlan:
    return plan_creation(conduit, tickets, now_s=NOW_S)


def make(conduit: Conduit, tickets: Sequence[Ticket] = EPIC) -> list[str]:
    """Plan and create; return the slugs of the created tasks."""
    items: list[str] = []
    create(conduit, plan(conduit, tickets), lambda item, task: items.append(f"T{task.number} {item.slug}"))
    return items


def slugs(phabricator: Phabricator) -> list[str]:
    """Return the tickets in *phabricator*, in the order of their creation."""
    return [slug for text in phabricator.descriptions() for slug in marked_slugs(text)]


def assert_whole(phabricator: Phabricator, tickets: Sequence[Ticket]) -> None:
    """Each ticket is there exactly once, with exactly its edges."""
    assert sorted(slugs(phabricator)) == sorted(item.slug for item in tickets)
    phids = dict(zip(slugs(phabricator), (task["phid"] for task in phabricator.tasks), strict=True))
    wanted: dict[str, set[str]] = {}
    for item in tickets:
        if item.parent:
            wanted.setdefault(phids[item.parent], set()).add(phids[item.slug])
        for name in item.depends_on:
            wanted.setdefault(phids[item.slug], set()).add(phids[name])
    assert phabricator.subtasks == wanted


def test_planning_makes_nothing(phabricator: Phabricator, conduit: Conduit) -> None:
    run_plan = plan(conduit)
    assert run_plan.missing == in_order(EPIC)
    assert phabricator.tasks == []
    assert phabricator.count_calls("maniphest.edit") == 0


def test_parents_and_dependencies_come_first_with_their_edges(phabricator: Phabricator, conduit: Conduit) -> None:
    assert make(conduit) == ["T1 the-epic", "T2 one", "T3 three", "T4 two"]
    assert_whole(phabricator, EPIC)
    first = next(form for method, form in phabricator.calls if method == "maniphest.edit")["transactions"]
    assert [change["type"] for change in first.values()] == ["title", "description", "priority", "projects.add"]
    assert first["3"]["value"] == {"0": "PHID-PROJ-1"}


@pytest.mark.parametrize("indexed", [0, 2, 4])
def test_second_run_creates_nothing_despite_index_lag(phabricator: Phabricator, conduit: Conduit, indexed: int) -> None:
    make(conduit)
    phabricator.indexed = indexed
    assert make(conduit) == []
    assert phabricator.count_calls("maniphest.edit") == 4


def test_index_finds_old_closed_tasks(phabricator: Phabricator, conduit: Conduit) -> None:
    for item in EPIC:
        phabricator.add("renamed since", f"Rewritten.\n\n{item.description}", age_s=400 * _DAY_S, status="resolved")
    phabricator.indexed = len(EPIC)
    assert plan(conduit).missing == ()


def test_there_may_be_many_other_tasks(phabricator: Phabricator, conduit: Conduit) -> None:
    phabricator.page = 10
    for number in range(25):
        phabricator.add(f"{number}", f"We talk of dogfood-ticket: one, and of {number}")
    make(conduit)
    for number in range(25):
        phabricator.add(f"{number}", "Something else")
    assert make(conduit) == []


@pytest.mark.parametrize("failure", ["error", "hangup before", "hangup after"])
@pytest.mark.parametrize("fail_at", range(4))
def test_interrupted_run_continues_without_duplicates(
    phabricator: Phabricator, conduit: Conduit, fail_at: int, failure: str
) -> None:
    phabricator.fail_at, phabricator.failure = fail_at, failure
    name = in_order(EPIC)[fail_at].slug
    with pytest.raises(ConduitError, match=f"{fail_at} of 4 tickets were created, then '{name}' failed: ") as caught:
        make(conduit)
    assert "run the same command again" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(phabricator.tasks) == fail_at + (failure == "hangup after")
    phabricator.fail_at = None
    make(conduit)
    assert_whole(phabricator, EPIC)


@settings(max_examples=30)
@given(failures=st.lists(st.integers(0, 6), max_size=4), kinds=st.lists(st.sampled_from(["error", "hangup after"])))
def test_repeated_failures_leave_one_task_per_ticket(failures: list[int], kinds: list[str]) -> None:
    phabricator = Phabricator()
    tickets = (*EPIC, ticket("four", parent="one"), ticket("five", parent="one", after=("four",)))
    with serving(phabricator) as url, Conduit(url, TOKEN, pause_s=0) as conduit:
        for fail_at, failure in zip(failures, kinds, strict=False):
            phabricator.created, phabricator.fail_at, phabricator.failure = 0, fail_at, failure
            left = len(plan(conduit, tickets).missing)
            if fail_at < left:
                with pytest.raises(ConduitError):
                    make(conduit, tickets)
        phabricator.fail_at = None
        make(conduit, tickets)
        assert make(conduit, tickets) == []
    assert_whole(phabricator, tickets)


def test_new_tickets_join_those_that_are_there(phabricator: Phabricator, conduit: Conduit) -> None:
    make(conduit, EPIC[:2])
    assert make(conduit) == ["T3 three", "T4 two"]
    assert_whole(phabricator, EPIC)


def test_older_task_with_the_marker_wins(phabricator: Phabricator, conduit: Conduit) -> None:
    make(conduit)
    phabricator.add("a copy", EPIC[1].description)
    run_plan = plan(conduit)
    assert run_plan.missing == ()
    assert run_plan.existing["one"].number == 2
    assert [task.number for task in run_plan.duplicates["one"]] == [5]


def test_unknown_tag_is_reported_before_creation(phabricator: Phabricator, conduit: Conduit) -> None:
    phabricator.projects = {"epic": "PHID-PROJ-2"}
    with pytest.raises(TicketError, match=r"has no project #contracts that you may see"):
        make(conduit)
    assert phabricator.tasks == []


def test_the_words_for_priorities_are_this_phabricators(phabricator: Phabricator, conduit: Conduit) -> None:
    assert plan(conduit).keywords == {"high": "high", "normal": "medium", "lowest": "wish"}
    phabricator.priorities[2]["keywords"] = ["normal", "medium"]
    assert plan(conduit).keywords["normal"] == "normal"


def test_unknown_priority_is_reported_before_creation(phabricator: Phabricator, conduit: Conduit) -> None:
    phabricator.priorities[4]["disabled"] = True
    with pytest.raises(TicketError, match=r"has no priority lowest \(it has: high, low, medium, unbreak\)"):
        make(conduit)
    assert phabricator.tasks == []


def test_an_answer_without_a_task_stops_the_run(phabricator: Phabricator, conduit: Conduit) -> None:
    run_plan = plan(conduit)
    phabricator.raw = (200, {}, b'{"result":{"object":{"id":"1"}},"error_code":null}')
    with pytest.raises(ConduitError, match="a task without id and phid"):
        create(conduit, run_plan, lambda *_: None)
