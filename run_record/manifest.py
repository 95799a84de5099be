"""The manifest: all data that recomputes a run's events and judges them."""

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
from contracts.generation import Generation
from run_record.roster import Fidelity

FILE_NAME = "manifest.json"

#: Seconds within which rows have to be in the table (contract: 2–3 hours).
DEADLINE_S = 3 * 60 * 60


class ManifestError(DogfoodError):
    """A run has no manifest, or one that this version cannot read."""

    page = "docs/guide/troubleshooting.md"


class _Addresses(dict[str, str]):
    """The target of a manifest; a missing field is reported as a fault of the file."""

    def __init__(
        self, addresses: Mapping[str, str] | Iterable[tuple[str, str]] = (), origin: Origin | None = None
    ) -> None:
        super().__init__(addresses)
        self._origin = origin

    def __missing__(self, name: str) -> str:
        if self._origin is None:
            raise KeyError(name)
        raise self._origin.fault("it is missing", field=f"target.{name}")


@dataclass(frozen=True, slots=True)
class Manifest:
    """One run, written before its first event and completed after its last.

    Attributes:
        run_id: name of the run's folder.
        created: time of the run's set-up, ISO 8601, UTC.
        fidelity: source of the events: `synthetic`, `wiki`, `browser`, or several of them joined by commas.
        generation: `alpha` or `xlab`; decides assignment, config shape, schema and event shape.
        wiki: database name of the wiki whose sample rate applies.
        stream: stream of the events.
        visitors: number of subjects planned to visit.
        hasty: whether events were sent as browsers do (202 before validation).
        batch_size: maximum number of events in a request.
        target: the systems under test: `name`, `source` (value of the option), and the addresses `intake`, `mpic`
            and `wiki`.
        plan: settings that recompute the events (`personas.plan.settings.PlanSettings`).
        other_experiments: configs, as MPIC serves them, of other active experiments.
        deadline_s: seconds after an event's `dt` by which its row has to be in the table.
        versions: versions of Python, the kit and important libraries.
        started_ms, finished_ms: start and end of the traffic, milliseconds since 1970, or null.
        stopped_early: whether the traffic ended before every subject had visited: by the user, a time limit or the
            target's ceiling, or because the schedule could not be kept.
        planned_events: number of events of the plan; 0 when they were not counted.
        ended: reason for the end of the traffic (`run_record.end_reason.End`); empty until then.
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
        """The sources of the events."""
        return tuple(Fidelity(word) for word in self.fidelity.split(","))

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Read the manifest of the run in *folder*.

        Raises:
            ManifestError: there is no such run, or its manifest is malformed.
        """
        path = folder / FILE_NAME
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise ManifestError(
                f"{folder} is not a run: it has no {FILE_NAME}; create a run with `dogfood run`"
            ) from None
        except OSError as error:
            raise ManifestError(f"{path} cannot be read: {error}; was the run's folder damaged?") from error
        return cls.parse(content, folder)

    @classmethod
    def parse(cls, content: bytes, folder: Path) -> "Manifest":
        """Return the manifest that `to_json` wrote for the run in *folder*, which may be on another machine.

        Raises:
            ManifestError: *content* is not a manifest.
        """
        path = folder / FILE_NAME
        origin = Origin(path, ManifestError, "restore the file, or judge it with the version that made it")
        manifest = _reader().read(content, origin)
        try:
            manifest.fidelities  # noqa: B018 (raises for a name that this version does not know)
            if datetime.fromisoformat(manifest.created).tzinfo is None:
                raise origin.fault("it has no time zone", field="created")
        except ValueError as error:
            raise origin.fault(str(error)) from None
        others = tuple(manifest.other_experiments)
        return replace(manifest, target=_Addresses(manifest.target, origin), other_experiments=others)

    def to_json(self) -> bytes:
        """Return the content of the file."""
        return orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

    def write(self, folder: Path) -> None:
        """Write the manifest to the run's *folder* in one step."""
        atomic_write(folder / FILE_NAME, self.to_json())

    def started(self, at_ms: int) -> Self:
        """Return a copy with the start of the traffic."""
        return replace(self, started_ms=at_ms)

    def finished(self, at_ms: int, *, stopped_early: bool, ended: str = "") -> Self:
        """Return a copy with the end of the traffic, and the reason for it."""
        return replace(self, finished_ms=at_ms, stopped_early=stopped_early, ended=ended or self.ended)


@cache
def _reader() -> Reader[Manifest]:
    return Reader(Manifest)
