"""The plan of a run: which subject visits when, in which group, and the bytes of every event that makes.

A plan is a pure function of its settings. Traffic plays it; the analysis makes it again and knows to the byte what
should have arrived.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from metrics_platform.assignment import Generation, assign
from personas.blocks import (
    PlannedEvent,
    PlannedSubjects,
    arrivals_ms,
    assign_subjects,
    render_block,
    set_scene,
)
from personas.draws import BLOCK
from personas.people import Persona, load_personas
from personas.population import Population, fingerprint
from personas.settings import PlanError, PlanSettings

_KEPT_BLOCKS = 8


class Plan:
    """All visits and events of a run.

    Args:
        settings: what decides them.
        personas: read from the kit's own folder by default.

    Raises:
        PlanError: the settings were made with other personas, or the instrument is switched off.
        ConfigError: the experiment's or the instrument's config makes no sense.
    """

    def __init__(self, settings: PlanSettings, personas: tuple[Persona, ...] | None = None) -> None:
        self.personas = load_personas() if personas is None else personas
        mark = fingerprint(self.personas)
        if settings.personas not in ("", mark):
            raise PlanError("the run was made with other personas than there are now: its events cannot be made again")
        self.settings = replace(settings, personas=mark)
        self._scene = set_scene(self.settings, Population(settings.seed, settings.visitors, self.personas))
        self.experiment = self._scene.experiment
        self.rate = self._scene.rate
        self._blocks: OrderedDict[int, list[list[PlannedEvent]]] = OrderedDict()

    def subjects(self, first: int, count: int) -> PlannedSubjects:
        """Return the subjects from *first* on, *count* of them or as many as there are, and their assignment."""
        return assign_subjects(self._scene, self._scene.population.identities(first, count))

    def group_of(self, user_id: int, central_id: int) -> str | None:
        """Return the group that the contract gives a user, None when it is not in the sample.

        Args:
            user_id: the wiki's local id (hashed in alpha).
            central_id: the id across wikis (hashed in xlab).
        """
        generation = self.settings.generation
        who = user_id if generation is Generation.ALPHA else central_id
        return assign(generation, who, self.experiment.name, self.experiment.groups, self.rate).group

    def arrivals_ms(self, first: int, count: int) -> NDArray[np.int64]:
        """Return when the visits from *first* on begin, in milliseconds after the epoch; always *count* of them."""
        blocks = range(first // BLOCK, -(-(first + count) // BLOCK))
        times = [arrivals_ms(self.settings, block) for block in blocks]
        return np.concatenate([np.zeros(0, np.int64), *times])[first % BLOCK :][:count]

    def visit(self, index: int) -> list[PlannedEvent]:
        """Return the events of visit *index* in the order of their intended times; none when not in the sample."""
        return self._block(index // BLOCK)[index % BLOCK]

    def events(self, first: int, count: int) -> Iterator[PlannedEvent]:
        """Yield the events of the visits from *first* on, *count* visits or as many as there are."""
        for index in range(first, min(first + count, self.settings.visitors)):
            yield from self.visit(index)

    def _block(self, number: int) -> list[list[PlannedEvent]]:
        if number not in self._blocks:
            self._blocks[number] = render_block(self._scene, number)
            if len(self._blocks) > _KEPT_BLOCKS:
                self._blocks.popitem(last=False)
        return self._blocks[number]
