"""Making the tickets in Phabricator: what is there already, what is to be made, and making it.

A task is found again by the marker line in its description. The full-text index of Phabricator lags behind, so tasks
of the last days are looked through one by one as well: a second run right after the first makes nothing twice.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from dogfood.tickets.conduit import Conduit, ConduitError
from dogfood.tickets.graph import in_order
from dogfood.tickets.ticket import MARKER, PRIORITIES, Ticket, TicketError, marked_slugs

#: How far back tasks are looked through without the index. Indexing takes minutes; this is for bad days.
_UNINDEXED_S = 2 * 24 * 3600


class Task(NamedTuple):
    """A task in Phabricator. *number* is 12 for T12."""

    number: int
    phid: str


#: One change to a task, as `maniphest.edit` takes it: its `type` and its `value`.
Transaction = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True, slots=True)
class CreationPlan:
    """What making the tickets comes to.

    Attributes:
        tickets: all, each after its parent and what it depends on.
        existing: the task of each ticket that has been made already, by slug.
        doubles: further tasks that say they are the same ticket, by slug; somebody copied a description.
        projects: PHID of each tag.
        keywords: this Phabricator's word for each priority.
    """

    tickets: tuple[Ticket, ...]
    existing: Mapping[str, Task]
    doubles: Mapping[str, tuple[Task, ...]]
    projects: Mapping[str, str]
    keywords: Mapping[str, str]

    @property
    def missing(self) -> tuple[Ticket, ...]:
        """The tickets to be made, in order."""
        return tuple(ticket for ticket in self.tickets if ticket.slug not in self.existing)


def transactions(
    ticket: Ticket, *, keyword: str, projects: Sequence[str], parent: str | None, dependencies: Sequence[str]
) -> list[Transaction]:
    """Return what makes the task of *ticket*.

    Args:
        ticket: the ticket.
        keyword: the Phabricator's word for its priority.
        projects: PHIDs of its tags.
        parent: PHID of its parent's task.
        dependencies: PHIDs of the tasks it depends on. In Maniphest those are its subtasks: what blocks it.
    """
    made: list[Transaction] = [
        {"type": "title", "value": ticket.title},
        {"type": "description", "value": ticket.description},
        {"type": "priority", "value": keyword},
        {"type": "projects.add", "value": list(projects)},
    ]
    if parent is not None:
        made.append({"type": "parents.add", "value": [parent]})
    if dependencies:
        made.append({"type": "subtasks.add", "value": list(dependencies)})
    return made


def plan_creation(conduit: Conduit, tickets: Iterable[Ticket], *, now_s: float) -> CreationPlan:
    """Ask Phabricator what is there; change nothing.

    Args:
        conduit: the Phabricator.
        tickets: all of the plan's.
        now_s: seconds since 1970.

    Raises:
        TicketError: the tickets do not fit together, or Phabricator does not know a tag or priority.
        ConduitError: Phabricator does not answer as it should.
    """
    ordered = in_order(tickets)
    projects = _projects(conduit, ordered)
    keywords = _keywords(conduit, ordered)
    found = _found(conduit, {ticket.slug for ticket in ordered}, now_s)
    existing = {slug: min(tasks) for slug, tasks in found.items()}
    doubles = {slug: tuple(sorted(tasks - {existing[slug]})) for slug, tasks in found.items() if len(tasks) > 1}
    return CreationPlan(ordered, existing, doubles, projects, keywords)


def create(conduit: Conduit, plan: CreationPlan, made: Callable[[Ticket, Task], None]) -> None:
    """Make what *plan* says is missing.

    Args:
        conduit: the Phabricator.
        plan: of this Phabricator, just now.
        made: called after each task.

    Raises:
        ConduitError: Phabricator refused one, or did not answer. Those before it are made; a new plan continues.
    """
    phids = {slug: task.phid for slug, task in plan.existing.items()}
    for done, ticket in enumerate(plan.missing):
        wanted = transactions(
            ticket,
            keyword=plan.keywords[ticket.priority],
            projects=[plan.projects[tag] for tag in ticket.tags],
            parent=None if ticket.parent is None else phids[ticket.parent],
            dependencies=[phids[slug] for slug in ticket.depends_on],
        )
        try:
            task = _task(conduit.call("maniphest.edit", {"transactions": wanted}).get("object"))
        except ConduitError as error:
            raise ConduitError(
                f"{done} of {len(plan.missing)} tickets were made, then {ticket.slug!r} failed: {error} – "
                f"put that right and run the same command again: it continues and makes nothing twice"
            ) from None
        phids[ticket.slug] = task.phid
        made(ticket, task)


def _task(found: object) -> Task:
    if isinstance(found, dict):
        number, phid = found.get("id"), found.get("phid")
        if isinstance(number, int) and isinstance(phid, str):
            return Task(number, phid)
    raise ConduitError("Phabricator answered a task without id and phid")


def _projects(conduit: Conduit, tickets: Iterable[Ticket]) -> dict[str, str]:
    """Return the PHID of each tag; all are asked for at once, before anything is made."""
    tags = sorted({tag for ticket in tickets for tag in ticket.tags})
    result = conduit.call("project.search", {"constraints": {"slugs": tags}})
    maps = result.get("maps")
    slugs = maps.get("slugMap") if isinstance(maps, dict) else None
    # PHP writes an empty map as an empty list.
    known = slugs if isinstance(slugs, dict) else {}
    found = {tag: known[tag].get("projectPHID") for tag in tags if isinstance(known.get(tag), dict)}
    if unknown := [tag for tag in tags if not isinstance(found.get(tag), str)]:
        raise TicketError(
            f"{conduit.url} has no project {', '.join(f'#{tag}' for tag in unknown)} that you may see: "
            f"correct the tags in the tickets' front matter; nothing was made"
        )
    return {tag: str(found[tag]) for tag in tags}


def _keywords(conduit: Conduit, tickets: Iterable[Ticket]) -> dict[str, str]:
    """Return this Phabricator's word for each priority that is used."""
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
            f"{conduit.url} has no priority {', '.join(missing)} (it has: {', '.join(sorted(known)) or 'none'}): "
            f"change it in the tickets' front matter; nothing was made"
        )
    return {name: word for name, word in words.items() if word is not None}


def _found(conduit: Conduit, slugs: set[str], now_s: float) -> dict[str, set[Task]]:
    """Return the tasks that say they are one of *slugs*, whoever made them, open or closed."""
    found: dict[str, set[Task]] = {}
    for item in _candidates(conduit, now_s):
        fields = item.get("fields")
        description = fields.get("description") if isinstance(fields, dict) else None
        raw = description.get("raw") if isinstance(description, dict) else None
        for slug in marked_slugs(raw if isinstance(raw, str) else ""):
            if slug in slugs:
                found.setdefault(slug, set()).add(_task(item))
    return found


def _candidates(conduit: Conduit, now_s: float) -> Iterator[Mapping[str, object]]:
    yield from conduit.search("maniphest.search", {"query": f'"{MARKER}"'})
    yield from conduit.search("maniphest.search", {"createdStart": int(now_s) - _UNINDEXED_S})
