"""What subjects do: page views with impressions and clicks, drawn for some blocks of subjects at once."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from personas.page_index import PageIndex
from personas.persona import Persona
from personas.population import Population, Subjects
from personas.rng import BLOCK, Raw, choose, quantile, raw_of_blocks, thresholds, u32

_SESSIONS, _PAGE_VIEWS = 3, 4  # purposes of draws
_PV_FIELDS = 8
_MILLION = 1_000_000

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class PageViews(NamedTuple):
    """Page views of some blocks of subjects, columns ordered by (subject, session, page view).

    Attributes:
        subject: position of the subject among them.
        session: number of the browser session, counted through all of them.
        page: index into the page_index of pages.
        shown_ms: when the page was shown, milliseconds after the visit began.
        impression_ms, click_ms: likewise; only meaningful where the next two are true.
        seen: the element came fully into view.
        clicked: and was clicked.
    """

    subject: Ints
    session: Ints
    page: Ints
    shown_ms: Ints
    impression_ms: Ints
    click_ms: Ints
    seen: Bools
    clicked: Bools


def draw_page_views(
    population: Population,
    subjects: Subjects,
    first_block: int,
    *,
    treated: Bools,
    element_depth: int,
    page_index: PageIndex,
) -> PageViews:
    """Return every page view of *subjects*, who are those of some blocks, from *first_block* on.

    Args:
        population: whose seed and personas decide.
        subjects: the block's, all of them.
        first_block: number of the first of their blocks.
        treated: per subject, whether its group is another than control (decides how likely clicks are).
        element_depth: how far down the page the element is, percent.
        page_index: the pages there are.
    """
    session_of, views = _sessions(population, subjects, first_block)
    view_session = np.repeat(np.arange(len(session_of)), views)
    subject = session_of[view_session]
    shapes = [(_PV_FIELDS, count) for count in np.bincount(subject // BLOCK, minlength=len(treated) // BLOCK).tolist()]
    draws = raw_of_blocks(population.seed, _PAGE_VIEWS, first_block, shapes)
    traits = np.zeros((6, len(subject)), dtype=np.int64)
    for position, persona in enumerate(population.personas):
        mine = subjects.persona[subject] == position
        traits[:, mine] = _behaviour(persona, draws[:, mine], treated[subject[mine]])
    see, react, dwell, away, depth, chance = traits
    wants_click = (u32(draws[6]) * _MILLION >> 32) < chance
    in_view = (depth >= element_depth) & (see < dwell)
    clicked = in_view & wants_click
    seen = in_view & ~_after_first(subject, clicked, len(treated))
    clicked &= seen
    # Whoever clicks stays at least until the click.
    stay = np.where(clicked, np.maximum(dwell, see + react), dwell)
    shown = _starts(subject, view_session, stay, away)
    return PageViews(
        subject=subject,
        session=view_session,
        page=page_index.choose(draws[7], subjects.persona[subject], subjects.locale[subject]),
        shown_ms=shown,
        impression_ms=shown + see,
        click_ms=shown + see + react,
        seen=seen,
        clicked=clicked,
    )


def _sessions(population: Population, subjects: Subjects, first_block: int) -> tuple[Ints, Ints]:
    """Return, per session of *subjects*, the position of its subject and how many page views it has."""
    most, people = max(count for persona in population.personas for count, _ in persona.sessions), len(subjects.index)
    draws = raw_of_blocks(population.seed, _SESSIONS, first_block, [(1 + most, BLOCK)] * (people // BLOCK))
    sessions = np.zeros(people, dtype=np.int64)
    views = np.zeros((people, most), dtype=np.int64)
    for position, persona in enumerate(population.personas):
        mine = subjects.persona == position
        sessions[mine] = _pick(draws[0, mine], persona.sessions)
        views[mine] = _pick(draws[1:, mine].T, persona.page_views)
    taken = np.arange(most) < sessions[:, None]
    return np.nonzero(taken)[0], views[taken]


def _pick(draws: Raw, table: tuple[tuple[int, int], ...]) -> Ints:
    values = np.array([value for value, _ in table], dtype=np.int64)
    return values[choose(draws, thresholds([weight for _, weight in table]))]


def _behaviour(persona: Persona, draws: Raw, treated: Bools) -> Ints:
    """Return see, react, dwell, away (ms), scroll depth (percent) and chance of a click (millionths), as rows."""
    tables = (persona.see, persona.react, persona.dwell, persona.away, persona.scroll_depth)
    rows = [quantile(draws[row], table) for row, table in enumerate(tables)]
    return np.stack([*rows, np.where(treated, persona.treatment, persona.control)])


def _after_first(subject: Ints, clicked: Bools, people: int) -> Bools:
    """Return which page views come after their subject's first click.

    A click unpins the menu and the wiki remembers that, so the element is gone from the following pages.
    """
    order = np.arange(len(subject))
    first = np.full(people, len(subject), dtype=np.int64)
    np.minimum.at(first, subject[clicked], order[clicked])
    return order > first[subject]


def _starts(subject: Ints, session: Ints, stay: Ints, away: Ints) -> Ints:
    """Return when each page is shown: after all stays before it, and the pauses between sessions."""
    new_session = np.ones(len(subject), dtype=np.bool_)
    new_session[1:] = session[1:] != session[:-1]
    new_subject = np.ones(len(subject), dtype=np.bool_)
    new_subject[1:] = subject[1:] != subject[:-1]
    before = np.where(new_session & ~new_subject, away, 0)
    before[1:] += stay[:-1]
    clock = np.cumsum(before)
    starts: Ints = clock - clock[np.maximum.accumulate(np.where(new_subject, np.arange(len(subject)), 0))]
    return starts
