"""The plan of a run: subjects, groups, times of visits, and the bytes of every event.

A plan is a pure function of its settings. Traffic sends its events; the analysis recomputes it and compares every byte.
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
    PlannedEvent,
    PlannedSubjects,
    VisitBlock,
    assign_subjects,
    build_context,
    draw_blocks,
    due_after_arrival_us,
)
from personas.plan.event_bytes import RenderedBlock, render_block
from personas.plan.settings import PlanError, PlanSettings
from personas.population import Population, fingerprint
from personas.rng import BLOCK

#: Number of blocks in memory: more than two rounds, so one can be counted while the previous one is rendered.
_CACHED_BLOCKS = 2 * MOST_BLOCKS + 8

#: Maximum number of blocks to compute together, which keeps a sender busy for some milliseconds.
_BLOCKS_TOGETHER = 8


class Plan:
    """All visits and events of a run.

    Args:
        settings: settings of the plan.
        personas: by default those of the kit.

    Raises:
        PlanError: the settings are from other personas, or the instrument is switched off.
        ConfigError: the experiment's or the instrument's config is invalid.
    """

    def __init__(self, settings: PlanSettings, personas: tuple[Persona, ...] | None = None) -> None:
        self.personas = load_personas() if personas is None else personas
        current = fingerprint(self.personas)
        if settings.personas not in ("", current):
            raise PlanError("the personas have changed since the run: its events cannot be recomputed; restore them")
        self.settings = replace(settings, personas=current)
        self._context = build_context(self.settings, Population(settings.seed, settings.visitors, self.personas))
        self.experiment = self._context.experiment
        self.rate = self._context.rate
        self._pacer = self.settings.pacer()
        self._visit_blocks: OrderedDict[int, VisitBlock] = OrderedDict()
        peak = (settings.events_per_second or settings.arrivals_per_second * EVENTS_PER_VISIT) * self._pacer.shape.peak
        self._together = min(_BLOCKS_TOGETHER, interleave_size(peak))
        self._interleaving = Interleaving(interleave_size(peak), lambda block: self._visit_block(block).events)
        self._blocks: OrderedDict[int, list[list[PlannedEvent]]] = OrderedDict()

    def subjects(self, first: int, count: int) -> PlannedSubjects:
        """Return up to *count* subjects from *first* on, with their assignment."""
        return assign_subjects(self._context, self._context.population.identities(first, count))

    def group_of(self, user_id: int, central_id: int) -> str | None:
        """Return the group of a user by the contract; None when the user is not in the sample.

        Args:
            user_id: the wiki's local id (hashed in alpha).
            central_id: the id across wikis (hashed in xlab).
        """
        generation = self.settings.generation
        account_id = user_id if profile_of(generation).identifier.account_id == "user_id" else central_id
        return assign(generation, account_id, self.experiment.name, self.experiment.groups, self.rate).group

    def arrivals_us(self, first: int, count: int) -> NDArray[np.int64]:
        """Return the start times of *count* visits from *first* on, microseconds after the epoch.

        Only for a plan whose visits arrive; where single events are paced, visits have no time.
        """
        return self._pacer.times_us(first, count)

    def visitors_for_events(self) -> int:
        """Return the number of visitors with enough events for the pacing. Raises PacingError if no number suffices."""
        return self._interleaving.blocks_for(self.settings.events) * BLOCK

    def visit(self, index: int) -> list[PlannedEvent]:
        """Return the events of visit *index* in the order of their intended times; empty outside the sample."""
        return self._block(index // BLOCK)[index % BLOCK]

    def events(self, first: int, count: int) -> Iterator[PlannedEvent]:
        """Yield the events of up to *count* visits from *first* on."""
        for index in range(first, min(first + count, self.settings.visitors)):
            yield from self.visit(index)

    def make_block(self, number: int) -> Iterator[RenderedBlock | None]:
        """Render the events of block *number* in small steps.

        Yields None after each step, so the caller can do more urgent work in between, and the events at the end.
        """
        for block in self._interleaving.blocks_to_count(number) if self.settings.paces_events else (number,):
            if block not in self._visit_blocks:
                self._visit_block(block)
                yield None
        yield self._render(number)

    def first_us(self, block: int) -> int:
        """Return the intended time of the first event, or visit, of *block*, in microseconds after the epoch."""
        first = block * BLOCK
        if self.settings.paces_events:
            numbers = self._interleaving.numbers(block)
            first = int(numbers[0]) if len(numbers) else self._interleaving.base(block)
        return int(self._pacer.times_us(first, 1)[0])

    def _block(self, number: int) -> list[list[PlannedEvent]]:
        if number not in self._blocks:
            visits: list[list[PlannedEvent]] = [[] for _ in range(BLOCK)]
            for event in self._render(number).events():
                visits[event.visit % BLOCK].append(event)
            self._blocks[number] = visits
            if len(self._blocks) > _CACHED_BLOCKS:
                self._blocks.popitem(last=False)
        return self._blocks[number]

    def _visit_block(self, number: int) -> VisitBlock:
        if number not in self._visit_blocks:
            first = number // self._together * self._together
            for block in draw_blocks(self._context, first, self._together):
                self._visit_blocks[block.number] = block
            while len(self._visit_blocks) > _CACHED_BLOCKS:
                self._visit_blocks.popitem(last=False)
        return self._visit_blocks[number]

    def _render(self, number: int) -> RenderedBlock:
        """Return the events of a block's visits, without those beyond the last visitor."""
        rendered = render_block(self._context, self._visit_block(number), self._due_us(number))
        count = int(np.searchsorted(rendered.visit, self.settings.visitors))
        if count == len(rendered.visit):
            return rendered
        return RenderedBlock(*(column[:count] for column in rendered))  # type: ignore[arg-type]

    def _due_us(self, number: int) -> NDArray[np.int64]:
        if not self.settings.paces_events:
            return due_after_arrival_us(
                self._context, self._visit_block(number), self.arrivals_us(number * BLOCK, BLOCK)
            )
        # Numbers rise within a block, so those beyond the last event are at its end.
        numbers = self._interleaving.numbers(number)
        numbers = numbers[numbers < self.settings.events]
        return self._pacer.times_of_us(numbers)
