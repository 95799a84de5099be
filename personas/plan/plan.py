"""The plan of a run: which subject visits when, in which group, and the bytes of every event that makes.

A plan is a pure function of its settings. Traffic plays it; the analysis makes it again and knows to the byte what
should have arrived.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from contracts.assignment import assign
from contracts.profiles import profile_of
from personas.pacing.interleave import EVENTS_PER_VISIT, MOST_BLOCKS, Interleaving, interleave_size
from personas.persona import Persona, load_personas
from personas.plan.blocks import (
    DrawnBlock,
    PlannedEvent,
    PlannedSubjects,
    assign_subjects,
    build_context,
    draw_blocks,
    due_after_arrival_us,
)
from personas.plan.event_bytes import RenderedBlock, render_block
from personas.plan.settings import PlanError, PlanSettings
from personas.population import Population, fingerprint
from personas.rng import BLOCK

#: More than two turns have, so that one can be counted while the one before it is rendered.
_KEPT_BLOCKS = 2 * MOST_BLOCKS + 8

#: The most blocks that are drawn at once: that takes some milliseconds, in which a sender does nothing else.
_DRAWN_AT_ONCE = 8


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
        self._context = build_context(self.settings, Population(settings.seed, settings.visitors, self.personas))
        self.experiment = self._context.experiment
        self.rate = self._context.rate
        self._pacer = self.settings.pacer()
        self._drawn_blocks: OrderedDict[int, DrawnBlock] = OrderedDict()
        peak = (settings.events_per_second or settings.arrivals_per_second * EVENTS_PER_VISIT) * self._pacer.shape.peak
        self._together = min(_DRAWN_AT_ONCE, interleave_size(peak))
        self._turns = Interleaving(interleave_size(peak), lambda block: self._drawn(block).events)
        self._blocks: OrderedDict[int, list[list[PlannedEvent]]] = OrderedDict()

    def subjects(self, first: int, count: int) -> PlannedSubjects:
        """Return the subjects from *first* on, *count* of them or as many as there are, and their assignment."""
        return assign_subjects(self._context, self._context.population.identities(first, count))

    def group_of(self, user_id: int, central_id: int) -> str | None:
        """Return the group that the contract gives a user, None when it is not in the sample.

        Args:
            user_id: the wiki's local id (hashed in alpha).
            central_id: the id across wikis (hashed in xlab).
        """
        generation = self.settings.generation
        who = user_id if profile_of(generation).identifier.account_id == "user_id" else central_id
        return assign(generation, who, self.experiment.name, self.experiment.groups, self.rate).group

    def arrivals_us(self, first: int, count: int) -> NDArray[np.int64]:
        """Return when the visits from *first* on begin, microseconds after the epoch; always *count* of them.

        Only for a plan whose visits arrive; where single events are paced, a visit has no time of its own.
        """
        return self._pacer.times_us(first, count)

    def visitors_for_events(self) -> int:
        """Return how many visitors it takes to make all the events that are paced. Raises PlanError if none suffice."""
        return self._turns.blocks_for(self.settings.events) * BLOCK

    def visit(self, index: int) -> list[PlannedEvent]:
        """Return the events of visit *index* in the order of their intended times; none when not in the sample."""
        return self._block(index // BLOCK)[index % BLOCK]

    def events(self, first: int, count: int) -> Iterator[PlannedEvent]:
        """Yield the events of the visits from *first* on, *count* visits or as many as there are."""
        for index in range(first, min(first + count, self.settings.visitors)):
            yield from self.visit(index)

    def make_block(self, number: int) -> Iterator[RenderedBlock | None]:
        """Make the events of the BLOCK visits of block *number*, a little at a time.

        Yields None while there is more to do, so that whoever has something more urgent can turn to that and come
        back, and at last the events.
        """
        for needed in self._turns.blocks_to_count(number) if self.settings.paces_events else (number,):
            if needed not in self._drawn_blocks:
                self._drawn(needed)
                yield None
        yield self._render(number)

    def first_us(self, block: int) -> int:
        """Return when the first of the events, or visits, of the BLOCK visits of *block* is intended, or would be."""
        first = block * BLOCK
        if self.settings.paces_events:
            numbers = self._turns.numbers(block)
            first = int(numbers[0]) if len(numbers) else self._turns.base(block)
        return int(self._pacer.times_us(first, 1)[0])

    def _block(self, number: int) -> list[list[PlannedEvent]]:
        if number not in self._blocks:
            visits: list[list[PlannedEvent]] = [[] for _ in range(BLOCK)]
            for event in self._render(number).events():
                visits[event.visit % BLOCK].append(event)
            self._blocks[number] = visits
            if len(self._blocks) > _KEPT_BLOCKS:
                self._blocks.popitem(last=False)
        return self._blocks[number]

    def _drawn(self, number: int) -> DrawnBlock:
        if number not in self._drawn_blocks:
            first = number // self._together * self._together
            for block in draw_blocks(self._context, first, self._together):
                self._drawn_blocks[block.number] = block
            while len(self._drawn_blocks) > _KEPT_BLOCKS:
                self._drawn_blocks.popitem(last=False)
        return self._drawn_blocks[number]

    def _render(self, number: int) -> RenderedBlock:
        """Return the events of a block's visits, of as many as there are."""
        made = render_block(self._context, self._drawn(number), self._due_us(number))
        count = int(np.searchsorted(made.visit, self.settings.visitors))
        return made if count == len(made.visit) else RenderedBlock(*(column[:count] for column in made))  # type: ignore[arg-type]

    def _due_us(self, number: int) -> NDArray[np.int64]:
        if not self.settings.paces_events:
            return due_after_arrival_us(self._context, self._drawn(number), self.arrivals_us(number * BLOCK, BLOCK))
        # An event's number rises within its block, so those beyond the last one are the block's last.
        numbers = self._turns.numbers(number)
        numbers = numbers[numbers < self.settings.events]
        return self._pacer.times_of_us(numbers)
