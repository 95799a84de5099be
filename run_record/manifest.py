"""The manifest: everything that is needed to make a run's events once more, and to judge them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Self

import orjson

from common.atomic_write import atomic_write
from common.errors import DogfoodError
from common.typed_json import NonNegative, Origin, Reader, TimestampMs
from contracts.assignment import Generation
from run_record.roster import Fidelity

FILE_NAME = "manifest.json"

#: Rows are promised in the table within three hours (contract: 2–3 hours).
DEADLINE_S = 3 * 60 * 60


class ManifestError(DogfoodError):
    """A run folder without a manifest, or with one this version cannot read."""

    page = "docs/guide/troubleshooting.md"


class _Addresses(dict[str, str]):
    """The target of a manifest; a field that is missing is an error of the file, not of the code that asks for it."""

    def __init__(self, known: Mapping[str, str] | Iterable[tuple[str, str]] = (), origin: Origin | None = None) -> None:
        super().__init__(known)
        self._origin = origin

    def __missing__(self, name: str) -> str:
        if self._origin is None:
            raise KeyError(name)
        raise self._origin.fault("it is missing", field=f"target.{name}")


@dataclass(frozen=True, slots=True)
class Manifest:
    """One run, as data. Written before the first event, completed after the last.

    Attributes:
        run_id: name of the run's folder.
        created: when the run was set up, ISO 8601, UTC.
        fidelity: who made the events: `synthetic`, `wiki`, `browser`, or several of them joined by commas.
        generation: `alpha` or `xlab`; decides assignment, config shape, schema and event shape.
        wiki: database name of the wiki whose sample rate applies.
        stream: the stream the events are sent to.
        visitors: how many subjects were planned to visit.
        hasty: whether events were sent as browsers do (202 before validation).
        batch_size: the most events in one request.
        target: of the systems under test: `name`, `source` (what was asked for), and the addresses `intake`, `mpic`
            and `wiki`.
        plan: what the personas need to make the events again (`personas.plan.settings.PlanSettings`).
        other_experiments: configs, as MPIC serves them, of the other experiments that were active.
        deadline_s: seconds after an event's `dt` by which its row has to be in the table.
        versions: of Python, of the kit and of the libraries that matter.
        started_ms, finished_ms: first and last moment of traffic, milliseconds since 1970, or null.
        stopped_early: the traffic was ended before every visitor had come: by a person, by a time limit, by the
            target's ceiling, or because the schedule could not be kept any more.
        planned_events: how many events the plan has; 0 when they were not counted.
        ended: why the traffic ended (`run_record.end_reason.End`); empty while it goes on.
    """

    run_id: str
    created: str
    fidelity: str
    generation: Generation
    wiki: str
    stream: str
    visitors: NonNegative
    hasty: bool
    batch_size: NonNegative
    target: Mapping[str, str]
    plan: Mapping[str, object]
    other_experiments: Sequence[Mapping[str, object]] = ()
    deadline_s: NonNegative = DEADLINE_S
    versions: Mapping[str, str] = field(default_factory=dict)
    started_ms: TimestampMs | None = None
    finished_ms: TimestampMs | None = None
    stopped_early: bool = False
    planned_events: NonNegative = 0
    ended: str = ""

    @property
    def fidelities(self) -> tuple[Fidelity, ...]:
        """Who made the events."""
        return tuple(Fidelity(word) for word in self.fidelity.split(","))

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Read the manifest of the run in *folder*.

        Raises:
            ManifestError: there is no such run, or its manifest is not one.
        """
        path = folder / FILE_NAME
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise ManifestError(f"{folder} is not a run: it has no {FILE_NAME}. `dogfood run` makes one.") from None
        except OSError as error:
            raise ManifestError(f"{path} cannot be read: {error}. Was the run's folder damaged?") from error
        return cls.parse(content, folder)

    @classmethod
    def parse(cls, content: bytes, folder: Path) -> "Manifest":
        """Return the manifest that `to_json` gave; *folder* is the run's, which may be on another machine.

        Raises:
            ManifestError: it is none.
        """
        path = folder / FILE_NAME
        origin = Origin(path, ManifestError, "restore the file, or judge it with the version that made it")
        manifest = _reader().read(content, origin)
        try:
            manifest.fidelities  # noqa: B018 (raises when there is one that this version does not know)
            if datetime.fromisoformat(manifest.created).tzinfo is None:
                raise origin.fault("it is without a time zone", field="created")
        except ValueError as error:
            raise origin.fault(str(error)) from None
        others = tuple(manifest.other_experiments)
        return replace(manifest, target=_Addresses(manifest.target, origin), other_experiments=others)

    def to_json(self) -> bytes:
        """Return the content of the file."""
        return orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

    def write(self, folder: Path) -> None:
        """Write the manifest into the run's *folder*, in one step."""
        atomic_write(folder / FILE_NAME, self.to_json())

    def started(self, at_ms: int) -> Self:
        """Return this manifest with the first moment of traffic filled in."""
        return replace(self, started_ms=at_ms)

    def finished(self, at_ms: int, *, stopped_early: bool, ended: str = "") -> Self:
        """Return this manifest with the last moment of traffic filled in, and why that was the last."""
        return replace(self, finished_ms=at_ms, stopped_early=stopped_early, ended=ended or self.ended)


@cache
def _reader() -> Reader[Manifest]:
    return Reader(Manifest)
