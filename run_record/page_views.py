"""What sessions on the wiki saw: a row a page view, with what the page was told and what should follow from it.

Sessions append to `page_views/<worker>.ndjson` when a page view is over. The events themselves are in the ledger; a
page view and its events have the page view's id in common.
"""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

import orjson

from common.errors import KitFaultError
from common.typed_json import NonNegative, Origin, Reader, TimestampMs, content_of
from contracts.assignment import Generation
from contracts.configs import UNSAMPLED
from run_record.roster import Fidelity

FOLDER = "page_views"


class PageViewError(KitFaultError):
    """A page view cannot be written down, or what was written cannot be read."""


class PageViewFormatError(PageViewError):
    """A page view that was written down, and was changed or damaged since."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class PageView:
    """One page view of a session on the wiki.

    Attributes:
        visit: of the account, as in the roster.
        fidelity: `wiki` or `browser`.
        scenario: which one the session played.
        way: how the page was left, where a scenario compares ways; else empty.
        session: number of the session within the visit.
        title: of the page.
        pageview_id: the client's token of the page view, 20 hex digits; empty when the client never ran.
        told: `wgMetricsPlatformUserExperiments` as the page had it; empty when it was told nothing.
        expected: how many events of each action the page view should have made.
        seen_by_page: how many beacons of each action the page itself saw leaving. A hint: pages miss what leaves late.
        seen_by_network: likewise, what the browser's network log showed.
        at_ms: when the page was shown, milliseconds since 1970.
        stayed_ms: for how long the reader stayed from then on; -1 where nobody stays, as without a browser.
        failure: what the wiki answered instead of a page; empty when it showed one.
        given_up: why the kit or its browser did not get to the end of this page view; empty when it did. It proves
            nothing about the wiki, and its events are neither expected nor surplus.
    """

    visit: NonNegative
    fidelity: Fidelity
    scenario: str
    title: str
    pageview_id: str
    at_ms: TimestampMs
    way: str = ""
    session: int = 0
    told: Mapping[str, object] = field(default_factory=dict)
    expected: Mapping[str, int] = field(default_factory=dict)
    seen_by_page: Mapping[str, int] = field(default_factory=dict)
    seen_by_network: Mapping[str, int] = field(default_factory=dict)
    failure: str = ""
    stayed_ms: int = -1
    given_up: str = ""


_READER = Reader(PageView)


class PageViewWriter:
    """Appends the page views of one worker. Raises PageViewError when its file exists or cannot be made."""

    def __init__(self, run: Path, worker: str) -> None:
        self._path = run / FOLDER / f"{worker}.ndjson"
        try:
            self._path.parent.mkdir(exist_ok=True)
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        except OSError as error:
            raise PageViewError(f"{self._path} cannot be made: {error.strerror}") from error

    def write(self, view: PageView) -> None:
        """Append *view*. Raises PageViewError."""
        row = orjson.dumps(asdict(view), option=orjson.OPT_APPEND_NEWLINE)
        try:
            written = os.write(self._file, row)
        except OSError as error:
            raise PageViewError(f"{self._path} cannot be written: {error.strerror}") from error
        if written != len(row):
            raise PageViewError(f"{self._path} cannot be written: the disk is full")

    def close(self) -> None:
        """Close the file; the writer is of no use afterwards."""
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_page_views(run: Path) -> tuple[PageView, ...]:
    """Return the page views of the run in the folder *run*, in the order of their workers' names.

    A last line that was cut off, as by a crash, is left out. Raises PageViewFormatError.
    """
    views: list[PageView] = []
    for path in sorted((run / FOLDER).glob("*.ndjson")):
        origin = Origin(path, PageViewFormatError)
        content = content_of(origin)
        views += _READER.rows(content[: content.rfind(b"\n") + 1], origin)
    return tuple(views)


def page_group(told: Mapping[str, object], generation: Generation, experiment: str, feature: str) -> str | None:
    """Return the group that a page was told for *experiment*; None when its user takes no part.

    Args:
        told: `wgMetricsPlatformUserExperiments`.
        generation: decides the shape.
        experiment: its name.
        feature: of the experiment, for alpha.
    """
    enrolled, assigned = told.get("enrolled"), told.get("assigned")
    if not isinstance(enrolled, list) or experiment not in enrolled or not isinstance(assigned, Mapping):
        return None
    group = assigned.get(experiment if generation is Generation.XLAB else feature)
    return str(group) if group not in (None, UNSAMPLED) else None


def forced_by_hand(told: Mapping[str, object], experiment: str) -> bool:
    """Return whether a page was told that its user is in *experiment* by an override; alpha's pages never are."""
    overrides, coordinator = told.get("overrides"), told.get("coordinator")
    named = isinstance(overrides, list) and experiment in overrides
    return named or (isinstance(coordinator, Mapping) and coordinator.get(experiment) == "forced")
