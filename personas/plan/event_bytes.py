"""Render the events of a block as bytes.

All events consist of the same few pieces, and a piece is rendered once for the subject, session or page that it depends
on. So a block is rendered by columns of pieces, which are then joined.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from personas.plan.blocks import PlanContext, PlannedEvent, VisitBlock, draw_words
from personas.plan.event_templates import BUCKETS
from personas.population import Subjects
from personas.rng import BLOCK, hex_digits, uuids

_IDS = 8  # purpose, see `personas.rng.raw`

#: Number of pieces of an event.
_PIECES = 13

Ints = NDArray[np.int64]


class RenderedBlock(NamedTuple):
    """Columns of the events of a block, ordered by visit and position; see `PlannedEvent`."""

    visit: Ints
    position: Ints
    offset_us: Ints
    id: list[bytes]
    body: list[bytes]

    def events(self) -> Iterator[PlannedEvent]:
        """Yield the events one by one."""
        rows = zip(
            self.visit.tolist(), self.position.tolist(), self.offset_us.tolist(), self.id, self.body, strict=True
        )
        for visit, position, offset_us, event_id, body in rows:
            yield PlannedEvent(visit, position, offset_us, event_id.decode(), body)


def render_block(context: PlanContext, block: VisitBlock, due_us: Ints) -> RenderedBlock:
    """Return the events of a block.

    Args:
        context: data that all blocks share.
        block: the block.
        due_us: intended times of its first events, microseconds after the epoch; only these events are rendered.
    """
    count = len(due_us)
    visits = np.repeat(np.arange(BLOCK), np.diff(block.starts))[:count]
    row, step = (column[:count] for column in np.nonzero(block.steps))
    view = block.sending[row]
    ids = uuids(draw_words(context, _IDS, block.number, len(block.views.subject))[2 * view + step])
    pieces: list[bytes] = [b""] * (_PIECES * count)
    for column, values in enumerate(_pieces(context, block, due_us, view, step, ids)):
        pieces[column::_PIECES] = values
    join = b"".join
    bodies = [join(pieces[begin : begin + _PIECES]) for begin in range(0, len(pieces), _PIECES)]
    return RenderedBlock(visits + block.number * BLOCK, np.arange(count) - block.starts[visits], due_us, ids, bodies)


def _pieces(
    context: PlanContext, block: VisitBlock, due_us: Ints, view: Ints, step: Ints, ids: list[bytes]
) -> Iterator[Sequence[bytes]]:
    """Yield columns of pieces, for the events of the page views *view*: impressions or clicks by *step*."""
    renderer, views, count = context.renderer, block.views, len(view)
    subject, session, page = views.subject[view], views.session[view], views.page[view]
    unique_subjects, subject_index = np.unique(subject, return_inverse=True)
    unique_sessions, session_index = np.unique(session, return_inverse=True)
    persona = block.subjects.persona[subject]
    yield _pick(renderer.start, step)
    yield hex_digits(block.view_words[2 * view + 1], 20)
    yield _pick(renderer.middle, step)
    yield _pick(block.experiments, subject)
    yield _pick(context.pages, page)
    subjects = Subjects(*(column[unique_subjects] for column in block.subjects))
    yield _pick(_accounts(context, subjects), subject_index)
    yield _pick(_sessions(context, block, unique_sessions), session_index)
    yield hex_digits(block.view_words[2 * view], 20) if renderer.has_page_view_id else [b""] * count
    yield _pick(context.tails, 2 * persona + context.special[page])
    yield iso(due_us // 1000 + context.settings.epoch_ms)
    yield [renderer.meta] * count
    yield ids
    yield [b'"}}'] * count


def _pick(values: Sequence[bytes], index: Ints) -> list[bytes]:
    return list(map(values.__getitem__, index.tolist()))


def _accounts(context: PlanContext, subjects: Subjects) -> list[bytes]:
    """Return JSON of the skin and the account of each of *subjects*."""
    registered = iso((context.settings.epoch_ms // 1000 - subjects.account_age_s) * 1000)
    columns = {
        "performer_id": subjects.user_id.tolist(),
        "performer_name": [orjson.dumps(name) for name in context.population.user_names(subjects)],
        "performer_edit_count": subjects.edit_count.tolist(),
        "performer_registration_dt": registered,
    }
    buckets = np.searchsorted([lowest for lowest, _ in reversed(BUCKETS)], subjects.edit_count, side="right") - 1
    kinds = zip(subjects.persona.tolist(), subjects.locale.tolist(), buckets.tolist(), strict=True)
    templates, renderer, personas = context.account_templates, context.renderer, context.population.personas
    accounts = []
    for kind, *row in zip(kinds, *(columns[name] for name in renderer.account_fields), strict=True):
        if kind not in templates:
            persona, locale, bucket = kind
            skin, _ = context.styles[persona]
            language = personas[persona].locales[locale][0]
            account = renderer.account_template(personas[persona], language, BUCKETS[-1 - bucket][0])
            templates[kind] = skin.replace(b"%", b"%%") + account
        accounts.append(templates[kind] % tuple(row))
    return accounts


def _sessions(context: PlanContext, block: VisitBlock, sessions: Ints) -> list[bytes]:
    """Return JSON of each of *sessions*, up to a page view's id."""
    template, fields = context.renderer.session_template
    if not fields:
        return [template % ()] * len(sessions)
    columns = [hex_digits(block.session_words[2 * sessions + field], 20) for field in fields]
    return [template % row for row in zip(*columns, strict=True)]


def iso(times_ms: Ints) -> list[bytes]:
    """Return times, in milliseconds since 1970, as ISO 8601 with milliseconds and without a zone."""
    seconds, which = np.unique(times_ms // 1000, return_inverse=True)
    text = np.empty((len(times_ms), 23), dtype=np.uint8)
    days = np.datetime_as_string(seconds.astype("datetime64[s]"), unit="s").astype("S19")
    text[:, :19] = days.view(np.uint8).reshape(-1, 19)[which]
    text[:, 19:] = _MILLIS[times_ms % 1000]
    texts: list[bytes] = text.view("S23").ravel().tolist()
    return texts


_MILLIS = np.array([b".%03d" % number for number in range(1000)], dtype="S4").view(np.uint8).reshape(-1, 4)
