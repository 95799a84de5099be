"""Blocks of visits: who they are and what they do. How that is put into bytes: `personas.plan.event_bytes`."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts.assignment import Generation, assign_hashes, assign_many, subject_id
from contracts.configs import Experiment
from contracts.profiles import profile_of
from contracts.streams import StreamConfig, in_stream_samples
from personas.page_index import PageIndex, index_pages
from personas.plan.event_templates import Renderer, Wiki, experiment_alpha, experiment_xlab
from personas.plan.settings import PlanSettings
from personas.population import Identities, Population, Subjects
from personas.rng import BLOCK, Raw, raw
from personas.visits import PageViews, draw_page_views

_VIEW_TOKENS, _SESSION_TOKENS = 6, 7  # purposes of draws


class PlannedEvent(NamedTuple):
    """One event as it is to be sent.

    Attributes:
        visit: index of the visit, which is the index of its subject.
        position: 0 for the visit's first event.
        offset_us: intended time, microseconds after the run's epoch.
        id: `meta.id`, a UUID.
        body: the JSON.
    """

    visit: int
    position: int
    offset_us: int
    id: str
    body: bytes

    @property
    def offset_ms(self) -> int:
        """The intended time as the event's `dt` has it, milliseconds after the run's epoch."""
        return self.offset_us // 1000


class PlannedSubjects(NamedTuple):
    """Columns of equal length, one element a subject.

    Attributes:
        index: int64; the subject's position in the population, and its visit's index.
        user_id, central_id: int64; the wiki's local id (hashed in alpha), the id across wikis (hashed in xlab).
        persona: int64; index into the population's personas.
        hash24: uint32; the 24-bit hash.
        in_sample: bool; by the experiment's first feature.
        group: int16; index into that feature's groups, -1 when not in the sample.
    """

    index: NDArray[np.int64]  # type: ignore[assignment]  # tuple has a method of that name
    user_id: NDArray[np.int64]
    central_id: NDArray[np.int64]
    persona: NDArray[np.int64]
    hash24: NDArray[np.uint32]
    in_sample: NDArray[np.bool_]
    group: NDArray[np.int16]


@dataclass(frozen=True)
class PlanContext:
    """What all blocks of a plan share; see `build_context`.

    Attributes:
        pages: what events say of each page of the page_index.
        special: per page of the page_index, 1 when it is a special one.
        styles: per persona, what events say of the skin, and of the agent.
        tails: per persona, what follows a page view's id on an ordinary and on a special page.
        account_templates: by persona, locale and bucket of edits; filled as they are needed.
    """

    settings: PlanSettings
    population: Population
    experiment: Experiment
    rate: float
    stream: StreamConfig
    renderer: Renderer
    page_index: PageIndex
    pages: tuple[bytes, ...]
    special: NDArray[np.int64]
    styles: tuple[tuple[bytes, bytes], ...]
    tails: tuple[bytes, ...]
    account_templates: dict[tuple[int, int, int], bytes]


def build_context(settings: PlanSettings, population: Population) -> PlanContext:
    """Prepare what all blocks share: the parsed configs and the templates."""
    experiment, instrument, stream = (
        settings.parsed_experiment(), settings.parsed_instrument(), settings.stream_config(),
    )  # fmt: skip
    wiki = Wiki(settings.wiki, settings.domain, settings.mediawiki_version, settings.language)
    renderer = Renderer(settings.generation, stream, instrument.name, settings.element, wiki)
    page_index = index_pages(population.personas)
    styles = tuple(renderer.persona(persona) for persona in population.personas)
    # Any ordinary page and any special one will do.
    views = [next(page for page in page_index.pages if page.is_special is special) for special in (False, True)]
    return PlanContext(
        settings=settings,
        population=population,
        experiment=experiment,
        rate=experiment.sample_rate.of(settings.wiki),
        stream=stream,
        renderer=renderer,
        page_index=page_index,
        pages=tuple(renderer.page(page) for page in page_index.pages),
        special=np.array([page.is_special for page in page_index.pages], dtype=np.int64),
        styles=styles,
        tails=tuple(renderer.page_view(page) + agent for _, agent in styles for page in views),
        account_templates={},
    )


def assign_subjects(context: PlanContext, subjects: Subjects | Identities) -> PlannedSubjects:
    """Return *subjects* with the group that the contract gives them."""
    ids = getattr(subjects, profile_of(context.settings.generation).identifier.account_id)
    experiment = context.experiment
    found = assign_many(context.settings.generation, ids, experiment.name, experiment.groups, context.rate)
    own = (subjects.index, subjects.user_id, subjects.central_id, subjects.persona)
    return PlannedSubjects(*own, found.hash24, found.in_sample, found.group)


class DrawnBlock(NamedTuple):
    """What the visits of one block do, before it is put into bytes.

    Attributes:
        number: of the block.
        subjects, views: of its BLOCK visits.
        said: per subject, what its events say of the experiment; nothing when it is not in the sample.
        view_words: two rows of words a page view: for its id and its funnel's.
        session_words: two rows of words a session: for its id and its browsing token.
        sending: int64; the page views that make events, in order.
        starts: int64; per visit, the number of its first event within the block, and at last that of all events.
    """

    number: int
    subjects: Subjects
    views: PageViews
    said: list[bytes]
    view_words: Raw
    session_words: Raw
    sending: NDArray[np.int64]
    starts: NDArray[np.int64]

    @property
    def events(self) -> int:
        """How many events there are."""
        return int(self.starts[-1])

    @property
    def steps(self) -> NDArray[np.bool_]:
        """Per page view that sends: that there is an impression, and whether there is a click."""
        clicked = self.views.clicked[self.sending]
        return np.stack([np.ones(len(clicked), dtype=np.bool_), clicked], axis=1)


def draw_blocks(context: PlanContext, first: int, count: int) -> list[DrawnBlock]:
    """Return what the visits of *count* blocks from number *first* on do: at once, for that costs much less."""
    subjects = context.population.blocks(first, count)
    assigned = assign_subjects(context, subjects)
    feature = context.experiment.features[0]
    views = draw_page_views(
        context.population, subjects, first,
        treated=(assigned.group != feature.groups.index(feature.control)) & (not context.settings.aa),
        element_depth=context.settings.element_depth, page_index=context.page_index,
    )  # fmt: skip
    said = _said_of_experiment(context, subjects, assigned)
    # Where the page views and the sessions of each block begin.
    view_starts = np.searchsorted(views.subject, np.arange(count + 1) * BLOCK).tolist()
    session_starts = [*(int(views.session[start]) for start in view_starts[:-1]), int(views.session[-1]) + 1]
    return [
        _block_of(
            context, first + place,
            Subjects(*(column[place * BLOCK : (place + 1) * BLOCK] for column in subjects)),
            _views_of(views, slice(*view_starts[place : place + 2]), place * BLOCK, session_starts[place]),
            said[place * BLOCK : (place + 1) * BLOCK],
        )
        for place in range(count)
    ]  # fmt: skip


def _views_of(views: PageViews, part: slice, first_subject: int, first_session: int) -> PageViews:
    cut = PageViews(*(column[part] for column in views))  # type: ignore[arg-type]
    return cut._replace(subject=cut.subject - first_subject, session=cut.session - first_session)


def _block_of(context: PlanContext, number: int, subjects: Subjects, views: PageViews, said: list[bytes]) -> DrawnBlock:
    view_words = draw_words(context, _VIEW_TOKENS, number, len(views.subject))
    session_words = draw_words(context, _SESSION_TOKENS, number, int(views.session[-1]) + 1)
    sampled = _stream_sample(context.stream, views.session, view_words, session_words)
    enrolled = np.array([bool(word) for word in said], dtype=np.bool_)
    sending = np.nonzero(views.seen & enrolled[views.subject] & sampled)[0]
    made = np.bincount(views.subject[sending], 1 + views.clicked[sending], minlength=BLOCK).astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(made)])
    return DrawnBlock(number, subjects, views, said, view_words, session_words, sending, starts)


def draw_words(context: PlanContext, purpose: int, block: int, count: int) -> Raw:
    """Return two rows of words for each of *count* things.

    Tokens and ids differ between runs of one seed, or a second run's rows would be taken for doubles.
    """
    settings = context.settings
    return raw(settings.seed, (settings.epoch_ms << 8) | purpose, block, (2 * count, 2))


def _stream_sample(
    stream: StreamConfig, session: NDArray[np.int64], view_words: Raw, session_words: Raw
) -> NDArray[np.bool_]:
    """Return, per page view, whether stream sampling lets its events be sent."""
    by_view = stream.sample_unit == "pageview"
    words = view_words if by_view else session_words
    decided = in_stream_samples(stream, (words[::2, 0] >> np.uint64(32)).astype(np.uint32))
    return decided if by_view else decided[session]


def due_after_arrival_us(context: PlanContext, drawn: DrawnBlock, arrivals_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return when each event of a block is intended, microseconds after the epoch, given when its visits begin."""
    views, sending = drawn.views, drawn.sending
    scale = round(context.settings.time_scale * 1000)
    after = np.stack([views.impression_ms[sending], views.click_ms[sending]], axis=1) * 1000 // scale * 1000
    due = after + arrivals_us[views.subject[sending]][:, None]
    return due[drawn.steps]


def _said_of_experiment(context: PlanContext, subjects: Subjects, assigned: PlannedSubjects) -> list[bytes]:
    """Return, per subject, what its events say of the experiment; nothing when it is not in the sample."""
    name = context.experiment.name
    if context.settings.generation is Generation.XLAB:
        groups = [context.experiment.groups[group] for group in assigned.group.tolist()]
        pairs = zip(groups, subjects.central_id.tolist(), assigned.in_sample.tolist(), strict=True)
        return [
            experiment_xlab(name, group, subject_id(who, name)) if sampled else b"" for group, who, sampled in pairs
        ]
    # Every feature is bucketed with the same hash, but how much of it is in the sample depends on its groups.
    features = context.experiment.features
    columns = [assign_hashes(assigned.hash24, len(item.groups), context.rate).group.tolist() for item in features]
    rows = list(zip(*columns, strict=True))
    made: dict[tuple[int, ...], bytes] = {}
    for row in set(rows):
        values = {item.name: item.groups[group] for item, group in zip(features, row, strict=True) if group >= 0}
        made[row] = experiment_alpha(name, values) if values else b""
    return [made[row] for row in rows]
