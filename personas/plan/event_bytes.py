"""The events of a block as bytes.

What an event consists of is the same few pieces for all events, and each piece is made once for whatever it depends
on: the subject, the session, the page. So a block is rendered piece by piece, a column at a time, and then joined.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from personas.plan.blocks import DrawnBlock, PlanContext, PlannedEvent, draw_words
from personas.plan.event_templates import BUCKETS
from personas.population import Subjects
from personas.rng import BLOCK, hex_digits, uuids

_IDS = 8  # purpose of draws

#: Pieces of an event.
_PIECES = 13

Ints = NDArray[np.int64]


class RenderedBlock(NamedTuple):
    """The events of a block, columns of equal length, by visit and position; see `PlannedEvent`."""

    visit: Ints
    position: Ints
    offset_us: Ints
    id: list[bytes]
    body: list[bytes]

    def events(self) -> Iterator[PlannedEvent]:
        """Yield them one by one."""
        rows = zip(
            self.visit.tolist(), self.position.tolist(), self.offset_us.tolist(), self.id, self.body, strict=True
        )
        for visit, position, offset_us, event_id, body in rows:
            yield PlannedEvent(visit, position, offset_us, event_id.decode(), body)


def render_block(context: PlanContext, drawn: DrawnBlock, due_us: Ints) -> RenderedBlock:
    """Return the events of a block.

    Args:
        context: what all blocks share.
        drawn: the block.
        due_us: when its events are intended, microseconds after the epoch; as many of the first ones are rendered.
    """
    count = len(due_us)
    visits = np.repeat(np.arange(BLOCK), np.diff(drawn.starts))[:count]
    place, step = (column[:count] for column in np.nonzero(drawn.steps))
    view = drawn.sending[place]
    ids = uuids(draw_words(context, _IDS, drawn.number, len(drawn.views.subject))[2 * view + step])
    pieces: list[bytes] = [b""] * (_PIECES * count)
    for column, values in enumerate(_pieces(context, drawn, due_us, view, step, ids)):
        pieces[column::_PIECES] = values
    join = b"".join
    bodies = [join(pieces[begin : begin + _PIECES]) for begin in range(0, len(pieces), _PIECES)]
    return RenderedBlock(visits + drawn.number * BLOCK, np.arange(count) - drawn.starts[visits], due_us, ids, bodies)


def _pieces(
    context: PlanContext, drawn: DrawnBlock, due_us: Ints, view: Ints, step: Ints, ids: list[bytes]
) -> Iterator[Sequence[bytes]]:
    """Yield the pieces of events, a column each: those of the page views *view*, impressions or clicks by *step*."""
    renderer, views, count = context.renderer, drawn.views, len(view)
    subject, session, page = views.subject[view], views.session[view], views.page[view]
    who, whose = np.unique(subject, return_inverse=True)
    sessions, of_session = np.unique(session, return_inverse=True)
    persona = drawn.subjects.persona[subject]
    yield _pick(renderer.start, step)
    yield hex_digits(drawn.view_words[2 * view + 1], 20)
    yield _pick(renderer.middle, step)
    yield _pick(drawn.said, subject)
    yield _pick(context.pages, page)
    yield _pick(_accounts(context, Subjects(*(column[who] for column in drawn.subjects))), whose)
    yield _pick(_sessions(context, drawn, sessions), of_session)
    yield hex_digits(drawn.view_words[2 * view], 20) if renderer.says_page_view else [b""] * count
    yield _pick(context.tails, 2 * persona + context.special[page])
    yield iso(due_us // 1000 + context.settings.epoch_ms)
    yield [renderer.meta] * count
    yield ids
    yield [b'"}}'] * count


def _pick(values: Sequence[bytes], index: Ints) -> list[bytes]:
    return list(map(values.__getitem__, index.tolist()))


def _accounts(context: PlanContext, subjects: Subjects) -> list[bytes]:
    """Return what events say of the skin and the account of each of *subjects*."""
    registered = iso((context.settings.epoch_ms // 1000 - subjects.account_age_s) * 1000)
    columns = {
        "performer_id": subjects.user_id.tolist(),
        "performer_name": [orjson.dumps(name) for name in context.population.user_names(subjects)],
        "performer_edit_count": subjects.edit_count.tolist(),
        "performer_registration_dt": registered,
    }
    buckets = np.searchsorted([lowest for lowest, _ in reversed(BUCKETS)], subjects.edit_count, side="right") - 1
    kinds = zip(subjects.persona.tolist(), subjects.locale.tolist(), buckets.tolist(), strict=True)
    template, renderer, people = context.account_templates, context.renderer, context.population.personas
    found = []
    for kind, *row in zip(kinds, *(columns[name] for name in renderer.account_fields), strict=True):
        if kind not in template:
            persona, locale, bucket = kind
            skin, _ = context.styles[persona]
            language = people[persona].locales[locale][0]
            account = renderer.account_template(people[persona], language, BUCKETS[-1 - bucket][0])
            template[kind] = skin.replace(b"%", b"%%") + account
        found.append(template[kind] % tuple(row))
    return found


def _sessions(context: PlanContext, drawn: DrawnBlock, sessions: Ints) -> list[bytes]:
    """Return what events say of each of *sessions*, and what stands before a page view's id."""
    template, fields = context.renderer.session_template
    if not fields:
        return [template % ()] * len(sessions)
    columns = [hex_digits(drawn.session_words[2 * sessions + field], 20) for field in fields]
    return [template % row for row in zip(*columns, strict=True)]


def iso(times_ms: Ints) -> list[bytes]:
    """Return ISO 8601 with milliseconds (no zone) for a column of times in milliseconds since 1970."""
    seconds, which = np.unique(times_ms // 1000, return_inverse=True)
    text = np.empty((len(times_ms), 23), dtype=np.uint8)
    days = np.datetime_as_string(seconds.astype("datetime64[s]"), unit="s").astype("S19")
    text[:, :19] = days.view(np.uint8).reshape(-1, 19)[which]
    text[:, 19:] = _MILLIS[times_ms % 1000]
    found: list[bytes] = text.view("S23").ravel().tolist()
    return found


_MILLIS = np.array([b".%03d" % number for number in range(1000)], dtype="S4").view(np.uint8).reshape(-1, 4)
