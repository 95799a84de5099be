"""Page views of sessions on the wiki, each with the page's experiments and the events that it should cause.

Sessions append a row to `page_views/<worker>.ndjson` at the end of each page view. The events are in the ledger, under
the same page view id.
"""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

import orjson

from common.errors import KitFaultError
from common.typed_json import NonNegative, Origin, Reader, TimestampMs, content_of
from contracts.configs import UNSAMPLED
from contracts.generation import Generation
from run_record.roster import Fidelity

FOLDER = "page_views"


class PageViewError(KitFaultError):
    """A page view cannot be written, or the file cannot be read."""


class PageViewFormatError(PageViewError):
    """A row of page views was changed or damaged after it was written."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class PageView:
    """One page view of a session on the wiki.

    Attributes:
        visit: visit of the account, as in the roster.
        fidelity: `wiki` or `browser`.
        scenario: name of the session's scenario.
        way: how the page was left, where a scenario compares several ways; otherwise empty.
        session: number of the session within the visit.
        title: title of the page.
        pageview_id: the client's token of the page view, 20 hex digits; empty when the client never ran.
        experiments: `wgMetricsPlatformUserExperiments` of the page; empty when it has none. Key in the file: `told`.
        expected: number of events by action that the page view should cause.
        seen_by_page: number of beacons by action that the page itself observed. A hint: pages miss late beacons.
        seen_by_network: number of beacons by action in the browser's network log.
        at_ms: time at which the page was shown, milliseconds since 1970.
        stayed_ms: time on the page from then on, milliseconds; -1 without a browser.
        failure: the wiki's response when it was not the page; otherwise empty.
        given_up: reason for which the kit or its browser did not finish this page view; empty when it did. It proves
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
    experiments: Mapping[str, object] = field(default_factory=dict)
    expected: Mapping[str, int] = field(default_factory=dict)
    seen_by_page: Mapping[str, int] = field(default_factory=dict)
    seen_by_network: Mapping[str, int] = field(default_factory=dict)
    failure: str = ""
    stayed_ms: int = -1
    given_up: str = ""


#: JSON keys of fields whose key is not their name.
_KEYS = {"experiments": "told"}
_READER = Reader(PageView, _KEYS)


class PageViewWriter:
    """Appends the page views of one worker. Raises PageViewError when its file exists or cannot be created."""

    def __init__(self, run: Path, worker: str) -> None:
        self._path = run / FOLDER / f"{worker}.ndjson"
        try:
            self._path.parent.mkdir(exist_ok=True)
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        except OSError as error:
            raise PageViewError(f"{self._path} cannot be created: {error.strerror}") from error

    def write(self, view: PageView) -> None:
        """Append *view*. Raises PageViewError."""
        content = {_KEYS.get(name, name): value for name, value in asdict(view).items()}
        row = orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)
        try:
            written = os.write(self._file, row)
        except OSError as error:
            raise PageViewError(f"{self._path} cannot be written: {error.strerror}") from error
        if written != len(row):
            raise PageViewError(f"{self._path} cannot be written: the disk is full")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_page_views(run: Path) -> tuple[PageView, ...]:
    """Return the page views of the run in the folder *run*, ordered by worker name.

    An incomplete last line, as after a crash, is left out. Raises PageViewFormatError.
    """
    views: list[PageView] = []
    for path in sorted((run / FOLDER).glob("*.ndjson")):
        origin = Origin(path, PageViewFormatError)
        content = content_of(origin)
        views += _READER.rows(content[: content.rfind(b"\n") + 1], origin)
    return tuple(views)


def page_group(experiments: Mapping[str, object], generation: Generation, experiment: str, feature: str) -> str | None:
    """Return the group of a page's user in *experiment*; None when the user is not enrolled.

    Args:
        experiments: `wgMetricsPlatformUserExperiments` of the page.
        generation: decides its shape.
        experiment: name of the experiment.
        feature: feature of the experiment, for alpha.
    """
    enrolled, assigned = experiments.get("enrolled"), experiments.get("assigned")
    if not isinstance(enrolled, list) or experiment not in enrolled or not isinstance(assigned, Mapping):
        return None
    group = assigned.get(experiment if generation is Generation.XLAB else feature)
    return str(group) if group not in (None, UNSAMPLED) else None


def is_overridden(experiments: Mapping[str, object], experiment: str) -> bool:
    """Return whether an override enrolled a page's user in *experiment*; never in alpha."""
    overrides, coordinator = experiments.get("overrides"), experiments.get("coordinator")
    named = isinstance(overrides, list) and experiment in overrides
    return named or (isinstance(coordinator, Mapping) and coordinator.get(experiment) == "forced")
