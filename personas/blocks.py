"""A block of visits, from subjects to the bytes of their events."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metrics_platform.assignment import Generation, assign_hashes, assign_many, subject_id
from metrics_platform.configs import Experiment
from metrics_platform.streams import StreamConfig, in_stream_sample
from personas.draws import BLOCK, hex_digits, raw, uuids
from personas.pages import PageShelf, shelve
from personas.population import Identities, Population, Subjects
from personas.rendering import Account, Renderer, Wiki, experiment_alpha, experiment_xlab
from personas.settings import PlanSettings
from personas.visits import PageViews, draw_page_views

_VIEW_TOKENS, _SESSION_TOKENS, _IDS = 6, 7, 8  # purposes of draws


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
class Scene:
    """What all blocks of a plan share; see `set_scene`."""

    settings: PlanSettings
    population: Population
    experiment: Experiment
    rate: float
    stream: StreamConfig
    renderer: Renderer
    shelf: PageShelf
    pages: tuple[bytes, ...]
    styles: tuple[tuple[bytes, bytes], ...]


def set_scene(settings: PlanSettings, population: Population) -> Scene:
    """Prepare what all blocks share: the parsed configs and the templates."""
    experiment, instrument, stream = (
        settings.parsed_experiment(), settings.parsed_instrument(), settings.stream_config(),
    )  # fmt: skip
    wiki = Wiki(settings.wiki, settings.domain, settings.mediawiki_version, settings.language)
    renderer = Renderer(settings.generation, stream, instrument.name, settings.element, wiki)
    shelf = shelve(population.personas)
    return Scene(
        settings=settings,
        population=population,
        experiment=experiment,
        rate=experiment.sample_rate.of(settings.wiki),
        stream=stream,
        renderer=renderer,
        shelf=shelf,
        pages=tuple(renderer.page(page) for page in shelf.pages),
        styles=tuple(renderer.persona(persona) for persona in population.personas),
    )


def assign_subjects(scene: Scene, subjects: Subjects | Identities) -> PlannedSubjects:
    """Return *subjects* with the group that the contract gives them."""
    ids = subjects.user_id if scene.settings.generation is Generation.ALPHA else subjects.central_id
    experiment = scene.experiment
    found = assign_many(scene.settings.generation, ids, experiment.name, experiment.groups, scene.rate)
    own = (subjects.index, subjects.user_id, subjects.central_id, subjects.persona)
    return PlannedSubjects(*own, found.hash24, found.in_sample, found.group)


class DrawnBlock(NamedTuple):
    """What the visits of one block do, before it is put into bytes.

    Attributes:
        number: of the block.
        subjects, assigned, views: of its BLOCK visits.
        said: per subject, what its events say of the experiment; nothing when it is not in the sample.
        view_tokens: two a page view: its id and its funnel's.
        session_tokens: two a session: its id and its browsing token.
        sending: int64; the page views that make events, in order.
        starts: int64; per visit, the number of its first event within the block, and at last that of all events.
    """

    number: int
    subjects: Subjects
    assigned: PlannedSubjects
    views: PageViews
    said: list[bytes]
    view_tokens: list[str]
    session_tokens: list[str]
    sending: NDArray[np.int64]
    starts: NDArray[np.int64]

    @property
    def events(self) -> int:
        """How many events there are."""
        return int(self.starts[-1])


def draw_block(scene: Scene, block: int) -> DrawnBlock:
    """Return what the BLOCK visits of *block* do."""
    subjects = scene.population.block(block)
    assigned = assign_subjects(scene, subjects)
    first = scene.experiment.features[0]
    views = draw_page_views(
        scene.population, subjects, block,
        treated=(assigned.group != first.groups.index(first.control)) & (not scene.settings.aa),
        element_depth=scene.settings.element_depth, shelf=scene.shelf,
    )  # fmt: skip
    said = _said_of_experiment(scene, subjects, assigned)
    count, sessions = len(views.subject), int(views.session[-1]) + 1
    view_tokens = hex_digits(_draw(scene, _VIEW_TOKENS, block, count), 20)
    session_tokens = hex_digits(_draw(scene, _SESSION_TOKENS, block, sessions), 20)
    sampled = _stream_sample(scene.stream, views.session, view_tokens, session_tokens)
    enrolled = np.array([bool(word) for word in said], dtype=np.bool_)
    sending = np.nonzero(views.seen & enrolled[views.subject] & sampled)[0]
    made = np.bincount(views.subject[sending], 1 + views.clicked[sending], minlength=BLOCK).astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(made)])
    return DrawnBlock(block, subjects, assigned, views, said, view_tokens, session_tokens, sending, starts)


def _draw(scene: Scene, purpose: int, block: int, count: int) -> NDArray[np.uint64]:
    """Return two rows of words for each of *count* things.

    Tokens and ids differ between runs of one seed, or a second run's rows would be taken for doubles.
    """
    settings = scene.settings
    return raw(settings.seed, (settings.epoch_ms << 8) | purpose, block, (2 * count, 2))


def _stream_sample(
    stream: StreamConfig, session: NDArray[np.int64], view_tokens: list[str], session_tokens: list[str]
) -> NDArray[np.bool_]:
    """Return, per page view, whether stream sampling lets its events be sent."""
    if stream.sample_rate is None:
        return np.ones(len(session), dtype=np.bool_)
    by_view = stream.sample_unit == "pageview"
    tokens = view_tokens[::2] if by_view else session_tokens[::2]
    decided = np.array([in_stream_sample(stream, token, token) for token in tokens], dtype=np.bool_)
    return decided if by_view else decided[session]


def due_after_arrival_us(scene: Scene, drawn: DrawnBlock, arrivals_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return when each event of a block is intended, microseconds after the epoch, given when its visits begin."""
    views, sending = drawn.views, drawn.sending
    scale = round(scene.settings.time_scale * 1000)
    after = np.stack([views.impression_ms[sending], views.click_ms[sending]], axis=1) * 1000 // scale * 1000
    due = after + arrivals_us[views.subject[sending]][:, None]
    return due[_steps(drawn)]


def render_block(scene: Scene, drawn: DrawnBlock, due_us: NDArray[np.int64]) -> Iterator[PlannedEvent]:
    """Yield the events of a block by visit and position; each is rendered when it is asked for.

    Args:
        scene: what all blocks share.
        drawn: the block.
        due_us: when its events are intended, microseconds after the epoch; as many of the first ones are rendered.
    """
    starts = drawn.starts
    visits = np.repeat(np.arange(BLOCK), np.diff(starts))[: len(due_us)]
    positions = (np.arange(len(visits)) - starts[visits]).tolist()
    events = _Events(scene, drawn).render(due_us)
    places = zip((visits + drawn.number * BLOCK).tolist(), positions, due_us.tolist(), events, strict=True)
    for visit, position, due, (event_id, body) in places:
        yield PlannedEvent(visit, position, due, event_id, body)


def _steps(drawn: DrawnBlock) -> NDArray[np.bool_]:
    """Return, per page view that sends, that there is an impression, and whether there is a click."""
    clicked = drawn.views.clicked[drawn.sending]
    return np.stack([np.ones(len(clicked), dtype=np.bool_), clicked], axis=1)


def _said_of_experiment(scene: Scene, subjects: Subjects, assigned: PlannedSubjects) -> list[bytes]:
    """Return, per subject, what its events say of the experiment; nothing when it is not in the sample."""
    name = scene.experiment.name
    if scene.settings.generation is Generation.XLAB:
        groups = [scene.experiment.groups[group] for group in assigned.group.tolist()]
        pairs = zip(groups, subjects.central_id.tolist(), assigned.in_sample.tolist(), strict=True)
        return [
            experiment_xlab(name, group, subject_id(who, name)) if sampled else b"" for group, who, sampled in pairs
        ]
    # Every feature is bucketed with the same hash, but how much of it is in the sample depends on its groups.
    features = scene.experiment.features
    columns = [assign_hashes(assigned.hash24, len(item.groups), scene.rate).group.tolist() for item in features]
    rows = list(zip(*columns, strict=True))
    made: dict[tuple[int, ...], bytes] = {}
    for row in set(rows):
        values = {item.name: item.groups[group] for item, group in zip(features, row, strict=True) if group >= 0}
        made[row] = experiment_alpha(name, values) if values else b""
    return [made[row] for row in rows]


class _Events:
    """Renders the events of one block; keeps what the events of a subject or of a session share."""

    def __init__(self, scene: Scene, drawn: DrawnBlock) -> None:
        self._scene = scene
        self._drawn = drawn
        views = drawn.views
        self._accounts = _accounts(scene, drawn.subjects)
        self._persona: list[int] = drawn.subjects.persona.tolist()
        self._session: list[int] = views.session.tolist()
        self._page: list[int] = views.page.tolist()
        self._subject: list[int] = views.subject.tolist()
        self._ids = uuids(_draw(scene, _IDS, drawn.number, len(views.subject)))
        self._account_runs: dict[int, bytes] = {}
        self._session_runs: dict[int, bytes] = {}

    def render(self, due_us: NDArray[np.int64]) -> Iterator[tuple[str, bytes]]:
        """Yield id and body of as many events as there are intended times, those of the first page views."""
        made = _steps(self._drawn)
        place, step = (column[: len(due_us)] for column in np.nonzero(made))
        views = self._drawn.sending[place]
        dts = _iso(due_us // 1000 + self._scene.settings.epoch_ms) if len(due_us) else []
        renderer, tokens, ids = self._scene.renderer, self._drawn.view_tokens, self._ids
        shared, shown = b"", -1
        for view, position, dt in zip(views.tolist(), step.tolist(), dts, strict=True):
            if view != shown:
                shared, shown = self._shared(view), view
            event_id = ids[2 * view + position]
            body = renderer.event(position, tokens[2 * view + 1], shared, dt, event_id)
            yield event_id, body

    def _shared(self, view: int) -> bytes:
        """Return what the events of one page view share."""
        scene, who = self._scene, self._subject[view]
        session, page = self._session[view], self._page[view]
        account = self._account_runs.get(who)
        if account is None:
            account = self._account_runs[who] = scene.renderer.account(self._accounts[who])
        run = self._session_runs.get(session)
        if run is None:
            tokens = self._drawn.session_tokens
            run = scene.renderer.session(tokens[2 * session], tokens[2 * session + 1])
            self._session_runs[session] = run
        page_view = scene.renderer.page_view(self._drawn.view_tokens[2 * view], scene.shelf.pages[page])
        skin, agent = scene.styles[self._persona[who]]
        return b"".join((self._drawn.said[who], scene.pages[page], skin, account, run, page_view, agent))


def _accounts(scene: Scene, subjects: Subjects) -> list[Account]:
    registered = _iso((scene.settings.epoch_ms // 1000 - subjects.account_age_s) * 1000)
    rows = zip(
        subjects.user_id.tolist(), scene.population.user_names(subjects), subjects.persona.tolist(),
        subjects.locale.tolist(), subjects.edit_count.tolist(), registered, strict=True,
    )  # fmt: skip
    people = scene.population.personas
    return [
        Account(user_id, name, people[persona], people[persona].locales[locale][0], edits, f"{when.decode()}Z")
        for user_id, name, persona, locale, edits, when in rows
    ]


def _iso(times_ms: NDArray[np.int64]) -> list[bytes]:
    """Return ISO 8601 with milliseconds (no zone) for a column of times in milliseconds since 1970."""
    text: list[bytes] = np.datetime_as_string(times_ms.astype("datetime64[ms]"), unit="ms").astype("S23").tolist()
    return text
