"""A block of visits, from subjects to the bytes of their events."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metrics_platform.assignment import Generation, assign_hashes, assign_many, subject_id
from metrics_platform.configs import Experiment
from metrics_platform.streams import StreamConfig, in_stream_sample
from personas.draws import BLOCK, hex_digits, raw, u32, uuids
from personas.pages import PageShelf, shelve
from personas.population import Identities, Population, Subjects
from personas.rendering import Account, Renderer, Wiki, experiment_alpha, experiment_xlab
from personas.settings import PlanSettings
from personas.visits import PageViews, draw_page_views

_ARRIVAL, _VIEW_TOKENS, _SESSION_TOKENS, _IDS = 5, 6, 7, 8  # purposes of draws


class PlannedEvent(NamedTuple):
    """One event as it is to be sent.

    Attributes:
        visit: index of the visit, which is the index of its subject.
        position: 0 for the visit's first event.
        offset_ms: intended time, milliseconds after the run's epoch.
        id: `meta.id`, a UUID.
        body: the JSON.
    """

    visit: int
    position: int
    offset_ms: int
    id: str
    body: bytes


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


def arrivals_ms(settings: PlanSettings, block: int) -> NDArray[np.int64]:
    """Return when each visit of *block* begins, milliseconds after the epoch, rising with the visit's index."""
    interval_us = round(1_000_000 / settings.arrivals_per_second)
    index = np.arange(BLOCK, dtype=np.int64) + block * BLOCK
    jitter = u32(raw(settings.seed, _ARRIVAL, block, (BLOCK,))) * interval_us >> 32
    return (index * interval_us + jitter) // 1000


def render_block(scene: Scene, block: int) -> list[list[PlannedEvent]]:
    """Return the events of each of the BLOCK visits of *block*, in the order of their intended times."""
    subjects = scene.population.block(block)
    assigned = assign_subjects(scene, subjects)
    first = scene.experiment.features[0]
    views = draw_page_views(
        scene.population, subjects, block,
        treated=(assigned.group != first.groups.index(first.control)) & (not scene.settings.aa),
        element_depth=scene.settings.element_depth, shelf=scene.shelf,
    )  # fmt: skip
    said = _said_of_experiment(scene, subjects, assigned)
    events: list[list[PlannedEvent]] = [[] for _ in range(BLOCK)]
    for event in _Events(scene, block, subjects, views).render(said):
        events[event.visit % BLOCK].append(event)
    return events


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

    def __init__(self, scene: Scene, block: int, subjects: Subjects, views: PageViews) -> None:
        self._scene = scene
        self._first_visit = block * BLOCK
        self._views = views
        self._accounts = _accounts(scene, subjects)
        self._persona: list[int] = subjects.persona.tolist()
        self._session: list[int] = views.session.tolist()
        self._page: list[int] = views.page.tolist()
        count, sessions = len(views.subject), int(views.session[-1]) + 1
        # Tokens and ids differ between runs of one seed, or a second run's rows would be taken for doubles.
        self._ids = uuids(self._draw(_IDS, block, count))
        self._view_tokens = hex_digits(self._draw(_VIEW_TOKENS, block, count), 20)
        self._session_tokens = hex_digits(self._draw(_SESSION_TOKENS, block, sessions), 20)
        self._account_runs: dict[int, bytes] = {}
        self._session_runs: dict[int, bytes] = {}

    def _draw(self, purpose: int, block: int, count: int) -> NDArray[np.uint64]:
        settings = self._scene.settings
        return raw(settings.seed, (settings.epoch_ms << 8) | purpose, block, (2 * count, 2))

    def render(self, said: list[bytes]) -> list[PlannedEvent]:
        """Return all events; *said* is, per subject, what its events say of the experiment."""
        views, settings = self._views, self._scene.settings
        scale = round(settings.time_scale * 1000)
        begin = arrivals_ms(settings, self._first_visit // BLOCK)[views.subject]
        offsets = np.stack([views.impression_ms, views.click_ms]) * 1000 // scale + begin
        dts = [_iso(row + settings.epoch_ms) for row in offsets]
        offset, subject, clicked = offsets.tolist(), views.subject.tolist(), views.clicked.tolist()
        decider, sampled = self._stream_sample()
        sent = [0] * BLOCK
        events = []
        for view in np.nonzero(views.seen)[0].tolist():
            who = subject[view]
            if not said[who] or not sampled[decider[view]]:
                continue
            shared = self._shared(who, view, said[who])
            for step in range(1 + clicked[view]):
                event_id = self._ids[2 * view + step]
                token = self._view_tokens[2 * view + 1]
                body = self._scene.renderer.event(step, token, shared, dts[step][view], event_id)
                events.append(PlannedEvent(self._first_visit + who, sent[who], offset[step][view], event_id, body))
                sent[who] += 1
        return events

    def _stream_sample(self) -> tuple[Sequence[int], list[bool]]:
        """Return, per page view, which token decides about it, and what each of those tokens decides."""
        stream = self._scene.stream
        by_view = stream.sample_unit == "pageview"
        tokens = self._view_tokens[::2] if by_view else self._session_tokens[::2]
        decider = range(len(self._session)) if by_view else self._session
        return decider, [in_stream_sample(stream, token, token) for token in tokens]

    def _shared(self, who: int, view: int, said: bytes) -> tuple[bytes, ...]:
        """Return what the events of one page view share, ready to be joined."""
        scene = self._scene
        session, page = self._session[view], self._page[view]
        if who not in self._account_runs:
            self._account_runs[who] = scene.renderer.account(self._accounts[who])
        if session not in self._session_runs:
            tokens = self._session_tokens[2 * session], self._session_tokens[2 * session + 1]
            self._session_runs[session] = scene.renderer.session(*tokens)
        page_view = scene.renderer.page_view(self._view_tokens[2 * view], scene.shelf.pages[page])
        skin, agent = scene.styles[self._persona[who]]
        return (
            said,
            scene.pages[page],
            skin,
            self._account_runs[who],
            self._session_runs[session],
            page_view,
            agent,
        )


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
