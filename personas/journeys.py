"""What one subject does on a wiki, page view by page view: for sessions that are walked rather than rendered."""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from personas.page_index import Page, index_pages
from personas.persona import Persona, load_personas
from personas.plan.plan import Plan
from personas.population import Population, Subjects
from personas.rng import BLOCK
from personas.visits import PageViews, draw_page_views

_KEPT_BLOCKS = 16
_SEED = 1


class PlannedPageView(NamedTuple):
    """One page view of a journey.

    Attributes:
        session: number of the browser session, from 0.
        page: that is read.
        seen: the instrumented element comes fully into view.
        clicked: and is clicked.
        see_ms: from the page being shown until the element is in view.
        react_ms: from then until the click.
    """

    session: int
    page: Page
    seen: bool
    clicked: bool
    see_ms: int
    react_ms: int


class EnrolledSubject(NamedTuple):
    """A subject of the population, as a wiki's account would have it.

    Attributes:
        subject: position in the population.
        name: of the account.
        persona: whose habits it has.
        edit_count: of the account.
        account_age_s: seconds since it was made.
    """

    subject: int
    name: str
    persona: Persona
    edit_count: int
    account_age_s: int


class Journeys:
    """The journeys of a wiki's residents, each a pure function of its subject and group.

    Args:
        plan: of the run: its experiment decides who is treated, its settings how far down the element is.
        population: whose subjects the wiki's accounts are.
    """

    def __init__(self, plan: Plan, population: Population) -> None:
        self._plan = plan
        self._population = population
        self._shelf = index_pages(population.personas)
        self._block = lru_cache(_KEPT_BLOCKS)(self._draw)

    @property
    def pages(self) -> tuple[Page, ...]:
        """The pages that are read."""
        return self._shelf.pages

    def of(self, subject: int, user_id: int, central_id: int) -> tuple[PlannedPageView, ...]:
        """Return the journey of *subject*, whose account has these ids; the ids decide the group and so the clicks."""
        group = self._plan.group_of(user_id, central_id)
        control = self._plan.experiment.features[0].control
        treated = group not in (None, control) and not self._plan.settings.aa
        views = self._block(subject // BLOCK, treated)
        places = np.flatnonzero(views.subject == subject % BLOCK).tolist()
        first = int(views.session[places[0]])
        return tuple(
            PlannedPageView(
                session=int(views.session[place]) - first,
                page=self._shelf.pages[int(views.page[place])],
                seen=bool(views.seen[place]),
                clicked=bool(views.clicked[place]),
                see_ms=int(views.impression_ms[place] - views.shown_ms[place]),
                react_ms=int(views.click_ms[place] - views.impression_ms[place]),
            )
            for place in places
        )

    def _draw(self, block: int, treated: bool) -> PageViews:
        subjects = self._population.blocks(block, 1)
        return draw_page_views(
            self._population, subjects, block,
            treated=np.full(BLOCK, treated), element_depth=self._plan.settings.element_depth, shelf=self._shelf,
        )  # fmt: skip


def enrolled_population(size: int) -> Population:
    """Return the population whose subjects a wiki's *size* accounts are; the same for every wiki."""
    return Population(_SEED, size, load_personas())


def enrolled_subjects(population: Population) -> Iterator[EnrolledSubject]:
    """Yield every subject of *population* as an account."""
    subjects: Subjects = population.subjects(0, population.size)
    rows = zip(
        subjects.index.tolist(), population.user_names(subjects), subjects.persona.tolist(),
        subjects.edit_count.tolist(), subjects.account_age_s.tolist(), strict=True,
    )  # fmt: skip
    for subject, name, persona, edits, age in rows:
        yield EnrolledSubject(subject, name, population.personas[persona], edits, age)
