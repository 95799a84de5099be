"""Visits: page views with impressions and clicks, computed for several blocks of subjects together."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from personas.page_index import PageIndex
from personas.persona import Persona
from personas.population import Population, Subjects
from personas.rng import BLOCK, Raw, choose, quantile, raw_of_blocks, thresholds, u32

_SESSIONS, _PAGE_VIEWS = 3, 4  # purposes, see `personas.rng.raw`
_PV_FIELDS = 8
_MILLION = 1_000_000

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class PageViews(NamedTuple):
    """Columns of the page views of several blocks, ordered by (subject, session, page view).

    Attributes:
        subject: position of the subject among those of the blocks.
        session: number of the browser session among all of the blocks.
        page: index into `PageIndex.pages`.
        shown_ms: time at which the page is shown, milliseconds after the start of the visit.
        impression_ms, click_ms: times of impression and click; valid only where the next two are true.
        in_view: whether the element comes fully into view.
        clicked: whether it is then clicked.
    """

    subject: Ints
    session: Ints
    page: Ints
    shown_ms: Ints
    impression_ms: Ints
    click_ms: Ints
    in_view: Bools
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
    """Return the page views of *subjects*, which are those of several blocks from *first_block* on.

    Args:
        population: population with the seed and the personas.
        subjects: all subjects of the blocks.
        first_block: number of the first block.
        treated: per subject, whether its group is not control (decides the probability of a click).
        element_depth: depth of the element on the page, percent of the page.
        page_index: the pages.
    """
    session_of, views = _sessions(population, subjects, first_block)
    view_session = np.repeat(np.arange(len(session_of)), views)
    subject = session_of[view_session]
    shapes = [(_PV_FIELDS, count) for count in np.bincount(subject // BLOCK, minlength=len(treated) // BLOCK).tolist()]
    words = raw_of_blocks(population.seed, _PAGE_VIEWS, first_block, shapes)
    traits = np.zeros((6, len(subject)), dtype=np.int64)
    for position, persona in enumerate(population.personas):
        rows = subjects.persona[subject] == position
        traits[:, rows] = _behaviour(persona, words[:, rows], treated[subject[rows]])
    see, react, dwell, away, depth, probability = traits
    wants_click = (u32(words[6]) * _MILLION >> 32) < probability
    visible = (depth >= element_depth) & (see < dwell)
    clicked = visible & wants_click
    in_view = visible & ~_after_first(subject, clicked, len(treated))
    clicked &= in_view
    # A subject that clicks stays at least until the click.
    stay = np.where(clicked, np.maximum(dwell, see + react), dwell)
    shown = _shown_ms(subject, view_session, stay, away)
    return PageViews(
        subject=subject,
        session=view_session,
        page=page_index.choose(words[7], subjects.persona[subject], subjects.locale[subject]),
        shown_ms=shown,
        impression_ms=shown + see,
        click_ms=shown + see + react,
        in_view=in_view,
        clicked=clicked,
    )


def _sessions(population: Population, subjects: Subjects, first_block: int) -> tuple[Ints, Ints]:
    """Return, per session of *subjects*, the position of its subject and its number of page views."""
    most, size = max(count for persona in population.personas for count, _ in persona.sessions), len(subjects.index)
    words = raw_of_blocks(population.seed, _SESSIONS, first_block, [(1 + most, BLOCK)] * (size // BLOCK))
    sessions = np.zeros(size, dtype=np.int64)
    views = np.zeros((size, most), dtype=np.int64)
    for position, persona in enumerate(population.personas):
        rows = subjects.persona == position
        sessions[rows] = _pick(words[0, rows], persona.sessions)
        views[rows] = _pick(words[1:, rows].T, persona.page_views)
    exists = np.arange(most) < sessions[:, None]
    return np.nonzero(exists)[0], views[exists]


def _pick(words: Raw, table: tuple[tuple[int, int], ...]) -> Ints:
    values = np.array([value for value, _ in table], dtype=np.int64)
    return values[choose(words, thresholds([weight for _, weight in table]))]


def _behaviour(persona: Persona, words: Raw, treated: Bools) -> Ints:
    """Return rows: see, react, dwell, away (ms), scroll depth (percent), probability of a click (millionths)."""
    tables = (persona.see, persona.react, persona.dwell, persona.away, persona.scroll_depth)
    rows = [quantile(words[row], table) for row, table in enumerate(tables)]
    return np.stack([*rows, np.where(treated, persona.treatment, persona.control)])


def _after_first(subject: Ints, clicked: Bools, subjects: int) -> Bools:
    """Return which page views come after their subject's first click.

    A click unpins the menu and the wiki saves that, so later pages do not have the element.
    """
    order = np.arange(len(subject))
    first = np.full(subjects, len(subject), dtype=np.int64)
    np.minimum.at(first, subject[clicked], order[clicked])
    return order > first[subject]


def _shown_ms(subject: Ints, session: Ints, stay: Ints, away: Ints) -> Ints:
    """Return the time at which each page is shown: after all earlier stays and pauses between sessions."""
    new_session = np.ones(len(subject), dtype=np.bool_)
    new_session[1:] = session[1:] != session[:-1]
    new_subject = np.ones(len(subject), dtype=np.bool_)
    new_subject[1:] = subject[1:] != subject[:-1]
    before = np.where(new_session & ~new_subject, away, 0)
    before[1:] += stay[:-1]
    clock = np.cumsum(before)
    starts: Ints = clock - clock[np.maximum.accumulate(np.where(new_subject, np.arange(len(subject)), 0))]
    return starts
