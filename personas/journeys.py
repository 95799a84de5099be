"""Journeys: the page views of one subject, for sessions on a wiki."""

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

_CACHED_BLOCKS = 16
_SEED = 1


class PlannedPageView(NamedTuple):
    """One page view of a journey.

    Attributes:
        session: number of the browser session, from 0.
        page: the page.
        in_view: whether the instrumented element comes fully into view.
        clicked: whether it is then clicked.
        see_ms: time until the element is in view, from when the page is shown.
        react_ms: time until the click, from when the element is in view.
    """

    session: int
    page: Page
    in_view: bool
    clicked: bool
    see_ms: int
    react_ms: int


class EnrolledSubject(NamedTuple):
    """A subject of the population as an account of a wiki.

    Attributes:
        subject: index in the population.
        name: name of the account.
        persona: persona of the subject.
        edit_count: edits of the account.
        account_age_s: seconds since the account was created.
    """

    subject: int
    name: str
    persona: Persona
    edit_count: int
    account_age_s: int


class Journeys:
    """The journeys of a wiki's enrolled subjects, each a pure function of its subject and group.

    Args:
        plan: plan of the run, whose experiment and settings decide the treatment and the element's depth.
        population: the population of the wiki's accounts.
    """

    def __init__(self, plan: Plan, population: Population) -> None:
        self._plan = plan
        self._population = population
        self._page_index = index_pages(population.personas)
        self._block = lru_cache(_CACHED_BLOCKS)(self._draw)

    @property
    def pages(self) -> tuple[Page, ...]:
        """The pages of all journeys."""
        return self._page_index.pages

    def of(self, subject: int, user_id: int, central_id: int) -> tuple[PlannedPageView, ...]:
        """Return the journey of *subject*, whose account's ids decide the group and so the clicks."""
        group = self._plan.group_of(user_id, central_id)
        control = self._plan.experiment.features[0].control
        treated = group not in (None, control) and not self._plan.settings.aa
        views = self._block(subject // BLOCK, treated)
        rows = np.flatnonzero(views.subject == subject % BLOCK).tolist()
        first = int(views.session[rows[0]])
        return tuple(
            PlannedPageView(
                session=int(views.session[row]) - first,
                page=self._page_index.pages[int(views.page[row])],
                in_view=bool(views.in_view[row]),
                clicked=bool(views.clicked[row]),
                see_ms=int(views.impression_ms[row] - views.shown_ms[row]),
                react_ms=int(views.click_ms[row] - views.impression_ms[row]),
            )
            for row in rows
        )

    def _draw(self, block: int, treated: bool) -> PageViews:
        subjects = self._population.blocks(block, 1)
        return draw_page_views(
            self._population, subjects, block,
            treated=np.full(BLOCK, treated), element_depth=self._plan.settings.element_depth,
            page_index=self._page_index,
        )  # fmt: skip


def enrolled_population(size: int) -> Population:
    """Return the population of a wiki's *size* accounts, the same for every wiki."""
    return Population(_SEED, size, load_personas())


def enrolled_subjects(population: Population) -> Iterator[EnrolledSubject]:
    """Yield every subject of *population* as an account."""
    subjects: Subjects = population.subjects(0, population.size)
    columns = zip(
        subjects.index.tolist(), population.user_names(subjects), subjects.persona.tolist(),
        subjects.edit_count.tolist(), subjects.account_age_s.tolist(), strict=True,
    )  # fmt: skip
    for subject, name, persona, edits, age in columns:
        yield EnrolledSubject(subject, name, population.personas[persona], edits, age)
