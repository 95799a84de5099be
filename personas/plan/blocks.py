"""Blocks of visits: their subjects, page views and events; `personas.plan.event_bytes` renders the events."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts.assignment import assign_hashes, assign_many, subject_id
from contracts.configs import Experiment
from contracts.generation import Generation
from contracts.profiles import profile_of
from contracts.streams import StreamConfig, in_stream_samples
from personas.page_index import PageIndex, index_pages
from personas.plan.event_templates import Renderer, Wiki, experiment_alpha, experiment_xlab
from personas.plan.settings import PlanSettings
from personas.population import Identities, Population, Subjects
from personas.rng import BLOCK, Raw, raw
from personas.visits import PageViews, draw_page_views

_VIEW_TOKENS, _SESSION_TOKENS = 6, 7  # purposes, see `personas.rng.raw`


class PlannedEvent(NamedTuple):
    """One event to be sent.

    Attributes:
        visit: index of the visit, which is the index of its subject.
        position: index of the event in the visit, from 0.
        offset_us: intended time, microseconds after the run's epoch.
        id: `meta.id`, a UUID.
        body: JSON of the event.
    """

    visit: int
    position: int
    offset_us: int
    id: str
    body: bytes

    @property
    def offset_ms(self) -> int:
        """The intended time in milliseconds after the run's epoch, as in the event's `dt`."""
        return self.offset_us // 1000


class PlannedSubjects(NamedTuple):
    """Columns of subjects, of equal length.

    Attributes:
        index: int64; index of the subject in the population, and of its visit.
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
    """The data that all blocks of a plan share; see `build_context`.

    Attributes:
        pages: JSON of each page of the index.
        special: per page of the index, 1 for a special page, otherwise 0.
        styles: per persona, JSON of the skin and of the agent.
        tails: per persona, JSON after a page view's id on an ordinary and on a special page.
        account_templates: templates by persona, locale and edit bucket, created on demand.
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
    """Return the parsed configs and templates that all blocks share."""
    experiment, instrument, stream = (
        settings.parsed_experiment(), settings.parsed_instrument(), settings.stream_config(),
    )  # fmt: skip
    wiki = Wiki(settings.wiki, settings.domain, settings.mediawiki_version, settings.language)
    renderer = Renderer(settings.generation, stream, instrument.name, settings.element, wiki)
    page_index = index_pages(population.personas)
    styles = tuple(renderer.persona(persona) for persona in population.personas)
    # All ordinary pages have the same tail, and all special ones.
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
    """Return *subjects* with their assignment by the contract."""
    ids = getattr(subjects, profile_of(context.settings.generation).identifier.account_id)
    experiment = context.experiment
    assignments = assign_many(context.settings.generation, ids, experiment.name, experiment.groups, context.rate)
    identities = (subjects.index, subjects.user_id, subjects.central_id, subjects.persona)
    return PlannedSubjects(*identities, *assignments)


class VisitBlock(NamedTuple):
    """The visits of one block, before their events are rendered.

    Attributes:
        number: number of the block.
        subjects, views: the subjects and page views of its BLOCK visits.
        experiments: per subject, JSON of the experiment; empty when it is not in the sample.
        view_words: two rows of random words per page view, for its id and its funnel's.
        session_words: two rows of random words per session, for its id and its browsing token.
        sending: int64; indexes of the page views with events, in order.
        starts: int64; per visit, index of its first event in the block; the last element is the number of events.
    """

    number: int
    subjects: Subjects
    views: PageViews
    experiments: list[bytes]
    view_words: Raw
    session_words: Raw
    sending: NDArray[np.int64]
    starts: NDArray[np.int64]

    @property
    def events(self) -> int:
        """The number of events."""
        return int(self.starts[-1])

    @property
    def steps(self) -> NDArray[np.bool_]:
        """Per page view with events: whether it has an impression (always) and a click."""
        clicked = self.views.clicked[self.sending]
        return np.stack([np.ones(len(clicked), dtype=np.bool_), clicked], axis=1)


def draw_blocks(context: PlanContext, first: int, count: int) -> list[VisitBlock]:
    """Return *count* blocks from number *first* on; several together cost much less than one by one."""
    subjects = context.population.blocks(first, count)
    assigned = assign_subjects(context, subjects)
    feature = context.experiment.features[0]
    views = draw_page_views(
        context.population, subjects, first,
        treated=(assigned.group != feature.groups.index(feature.control)) & (not context.settings.aa),
        element_depth=context.settings.element_depth, page_index=context.page_index,
    )  # fmt: skip
    experiments = _experiment_json(context, subjects, assigned)
    # First page view and first session of each block.
    view_starts = np.searchsorted(views.subject, np.arange(count + 1) * BLOCK).tolist()
    session_starts = [*(int(views.session[start]) for start in view_starts[:-1]), int(views.session[-1]) + 1]
    return [
        _block_of(
            context, first + index,
            Subjects(*(column[index * BLOCK : (index + 1) * BLOCK] for column in subjects)),
            _views_of(views, slice(*view_starts[index : index + 2]), index * BLOCK, session_starts[index]),
            experiments[index * BLOCK : (index + 1) * BLOCK],
        )
        for index in range(count)
    ]  # fmt: skip


def _views_of(views: PageViews, part: slice, first_subject: int, first_session: int) -> PageViews:
    selected = PageViews(*(column[part] for column in views))  # type: ignore[arg-type]
    return selected._replace(subject=selected.subject - first_subject, session=selected.session - first_session)


def _block_of(
    context: PlanContext, number: int, subjects: Subjects, views: PageViews, experiments: list[bytes]
) -> VisitBlock:
    view_words = draw_words(context, _VIEW_TOKENS, number, len(views.subject))
    session_words = draw_words(context, _SESSION_TOKENS, number, int(views.session[-1]) + 1)
    sampled = _stream_sample(context.stream, views.session, view_words, session_words)
    enrolled = np.array([bool(item) for item in experiments], dtype=np.bool_)
    sending = np.nonzero(views.in_view & enrolled[views.subject] & sampled)[0]
    counts = np.bincount(views.subject[sending], 1 + views.clicked[sending], minlength=BLOCK).astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(counts)])
    return VisitBlock(number, subjects, views, experiments, view_words, session_words, sending, starts)


def draw_words(context: PlanContext, purpose: int, block: int, count: int) -> Raw:
    """Return two rows of random words for each of *count* page views or sessions.

    They depend on the epoch too, so runs of one seed have different tokens and ids, and their rows are not duplicates.
    """
    settings = context.settings
    return raw(settings.seed, (settings.epoch_ms << 8) | purpose, block, (2 * count, 2))


def _stream_sample(
    stream: StreamConfig, session: NDArray[np.int64], view_words: Raw, session_words: Raw
) -> NDArray[np.bool_]:
    """Return, per page view, whether its events are in the stream sample."""
    by_view = stream.sample_unit == "pageview"
    words = view_words if by_view else session_words
    in_sample = in_stream_samples(stream, (words[::2, 0] >> np.uint64(32)).astype(np.uint32))
    return in_sample if by_view else in_sample[session]


def due_after_arrival_us(context: PlanContext, block: VisitBlock, arrivals_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the intended time of each event of a block, microseconds after the epoch, by its visits' arrivals."""
    views, sending = block.views, block.sending
    scale = round(context.settings.time_scale * 1000)
    after = np.stack([views.impression_ms[sending], views.click_ms[sending]], axis=1) * 1000 // scale * 1000
    due = after + arrivals_us[views.subject[sending]][:, None]
    return due[block.steps]


def _experiment_json(context: PlanContext, subjects: Subjects, assigned: PlannedSubjects) -> list[bytes]:
    """Return, per subject, JSON of the experiment; empty when it is not in the sample."""
    name = context.experiment.name
    if context.settings.generation is Generation.XLAB:
        groups = [context.experiment.groups[group] for group in assigned.group.tolist()]
        pairs = zip(groups, subjects.central_id.tolist(), assigned.in_sample.tolist(), strict=True)
        return [
            experiment_xlab(name, group, subject_id(central_id, name)) if sampled else b""
            for group, central_id, sampled in pairs
        ]
    # All features use the same hash, but the sample of a feature depends on its number of groups.
    features = context.experiment.features
    columns = [assign_hashes(assigned.hash24, len(item.groups), context.rate).group.tolist() for item in features]
    rows = list(zip(*columns, strict=True))
    rendered: dict[tuple[int, ...], bytes] = {}
    for row in set(rows):
        values = {item.name: item.groups[group] for item, group in zip(features, row, strict=True) if group >= 0}
        rendered[row] = experiment_alpha(name, values) if values else b""
    return [rendered[row] for row in rows]
