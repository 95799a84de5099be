"""Create the tickets in Phabricator: find existing tasks, plan the missing ones, create them.

The marker line in its description identifies a task. Phabricator's full-text index lags, so the tasks of the last days
are read one by one too: a second run right after the first creates no duplicates.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dogfood.tickets.conduit import Conduit, ConduitError
from dogfood.tickets.graph import in_order
from dogfood.tickets.ticket import MARKER, PRIORITIES, Ticket, TicketError, marked_slugs

#: Age of tasks, in seconds, that are read without the index. Indexing usually takes minutes.
_UNINDEXED_S = 2 * 24 * 3600


class Task(NamedTuple):
    """A task in Phabricator. *number* is 12 for T12."""

    number: int
    phid: str


#: One change of a task, as `maniphest.edit` accepts it: `type` and `value`.
Transaction = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True, slots=True)
class CreationPlan:
    """Plan of the tasks to create.

    Attributes:
        tickets: all tickets, each after its parent and its dependencies.
        existing: existing task of a ticket, by slug.
        duplicates: further tasks with the same marker, by slug, such as copied descriptions.
        projects: PHID of each tag.
        keywords: this Phabricator's keyword for each priority.
    """

    tickets: tuple[Ticket, ...]
    existing: Mapping[str, Task]
    duplicates: Mapping[str, tuple[Task, ...]]
    projects: Mapping[str, str]
    keywords: Mapping[str, str]

    @property
    def missing(self) -> tuple[Ticket, ...]:
        """The tickets without a task, in order."""
        return tuple(ticket for ticket in self.tickets if ticket.slug not in self.existing)


def transactions(
    ticket: Ticket, *, keyword: str, projects: Sequence[str], parent: str | None, dependencies: Sequence[str]
) -> list[Transaction]:
    """Return the transactions that create the task of *ticket*.

    Args:
        ticket: the ticket.
        keyword: Phabricator's keyword for its priority.
        projects: PHIDs of its tags.
        parent: PHID of its parent's task.
        dependencies: PHIDs of the tasks that it depends on; in Maniphest, its subtasks.
    """
    changes: list[Transaction] = [
        {"type": "title", "value": ticket.title},
        {"type": "description", "value": ticket.description},
        {"type": "priority", "value": keyword},
        {"type": "projects.add", "value": list(projects)},
    ]
    if parent is not None:
        changes.append({"type": "parents.add", "value": [parent]})
    if dependencies:
        changes.append({"type": "subtasks.add", "value": list(dependencies)})
    return changes


def plan_creation(conduit: Conduit, tickets: Iterable[Ticket], *, now_s: float) -> CreationPlan:
    """Read the existing tasks, projects and priorities from Phabricator; change nothing.

    Args:
        conduit: the Phabricator.
        tickets: all tickets of the plan.
        now_s: current time in seconds since 1970.

    Raises:
        TicketError: the tickets contradict each other, or Phabricator does not know a tag or priority.
        ConduitError: Phabricator does not answer correctly.
    """
    ordered = in_order(tickets)
    projects = _projects(conduit, ordered)
    keywords = _keywords(conduit, ordered)
    tasks_by_slug = _existing_tasks(conduit, {ticket.slug for ticket in ordered}, now_s)
    existing = {slug: min(tasks) for slug, tasks in tasks_by_slug.items()}
    duplicates = {
        slug: tuple(sorted(tasks - {existing[slug]})) for slug, tasks in tasks_by_slug.items() if len(tasks) > 1
    }
    return CreationPlan(ordered, existing, duplicates, projects, keywords)


def create(conduit: Conduit, plan: CreationPlan, on_created: Callable[[Ticket, Task], None]) -> None:
    """Create the missing tasks of *plan*.

    Args:
        conduit: the Phabricator.
        plan: current plan for this Phabricator.
        on_created: called after each task.

    Raises:
        ConduitError: Phabricator refused a task, or did not answer. Earlier tasks exist; a new plan continues.
    """
    phids = {slug: task.phid for slug, task in plan.existing.items()}
    for done, ticket in enumerate(plan.missing):
        changes = transactions(
            ticket,
            keyword=plan.keywords[ticket.priority],
            projects=[plan.projects[tag] for tag in ticket.tags],
            parent=None if ticket.parent is None else phids[ticket.parent],
            dependencies=[phids[slug] for slug in ticket.depends_on],
        )
        try:
            task = _task(conduit.call("maniphest.edit", {"transactions": changes}).get("object"))
        except ConduitError as error:
            raise ConduitError(
                f"{done} of {len(plan.missing)} tickets were created, then {ticket.slug!r} failed: {error}; "
                f"fix that and run the same command again, which continues without duplicates"
            ) from None
        phids[ticket.slug] = task.phid
        on_created(ticket, task)


def _task(item: object) -> Task:
    if isinstance(item, dict):
        number, phid = item.get("id"), item.get("phid")
        if isinstance(number, int) and isinstance(phid, str):
            return Task(number, phid)
    raise ConduitError("Phabricator returned a task without id and phid")


def _projects(conduit: Conduit, tickets: Iterable[Ticket]) -> dict[str, str]:
    """Return the PHID of each tag, by one request before anything is created."""
    tags = sorted({tag for ticket in tickets for tag in ticket.tags})
    result = conduit.call("project.search", {"constraints": {"slugs": tags}})
    maps = result.get("maps")
    slugs = maps.get("slugMap") if isinstance(maps, dict) else None
    # PHP writes an empty map as an empty list.
    known = slugs if isinstance(slugs, dict) else {}
    phids = {tag: known[tag].get("projectPHID") for tag in tags if isinstance(known.get(tag), dict)}
    if unknown := [tag for tag in tags if not isinstance(phids.get(tag), str)]:
        raise TicketError(
            f"{conduit.url} has no project {', '.join(f'#{tag}' for tag in unknown)} that you may see; "
            f"correct the tags in the tickets' front matter. Nothing was created"
        )
    return {tag: str(phids[tag]) for tag in tags}


def _keywords(conduit: Conduit, tickets: Iterable[Ticket]) -> dict[str, str]:
    """Return this Phabricator's keyword for each priority in use."""
    data = conduit.call("maniphest.priority.search", {}).get("data")
    known = {
        word
        for priority in (data if isinstance(data, list) else [])
        if isinstance(priority, dict) and not priority.get("disabled")
        for word in priority.get("keywords") or ()
    }
    used = sorted({ticket.priority for ticket in tickets})
    words = {name: next((word for word in PRIORITIES[name] if word in known), None) for name in used}
    if missing := [name for name, word in words.items() if word is None]:
        raise TicketError(
            f"{conduit.url} has no priority {', '.join(missing)} (it has: {', '.join(sorted(known)) or 'none'}); "
            f"change it in the tickets' front matter. Nothing was created"
        )
    return {name: word for name, word in words.items() if word is not None}


def _existing_tasks(conduit: Conduit, slugs: set[str], now_s: float) -> dict[str, set[Task]]:
    """Return the tasks with a marker of *slugs*, of any author, open or closed."""
    tasks: dict[str, set[Task]] = {}
    for item in _candidates(conduit, now_s):
        fields = item.get("fields")
        description = fields.get("description") if isinstance(fields, dict) else None
        raw = description.get("raw") if isinstance(description, dict) else None
        for slug in marked_slugs(raw if isinstance(raw, str) else ""):
            if slug in slugs:
                tasks.setdefault(slug, set()).add(_task(item))
    return tasks


def _candidates(conduit: Conduit, now_s: float) -> Iterator[Mapping[str, object]]:
    yield from conduit.search("maniphest.search", {"query": f'"{MARKER}"'})
    yield from conduit.search("maniphest.search", {"createdStart": int(now_s) - _UNINDEXED_S})
