"""The platform's state during a run: which schemas it serves, and its stream config."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

import orjson

from common.atomic_write import atomic_write
from common.errors import DogfoodError
from common.typed_json import Origin, Reader
from contracts.schema_probe import Served

FILE_NAME = "platform.json"


class PlatformStateError(DogfoodError):
    """The file of the platform's state cannot be read."""


@dataclass(frozen=True, slots=True)
class PlatformState:
    """The platform's state during a run.

    Attributes:
        schemas: whether the intake serves a schema, by its URI.
        stream: the wiki's config of the run's stream; None when it was not queried, empty when there is none.
        notes: faults in configs of others, which the run does not depend on; a sentence for each.
    """

    schemas: Mapping[str, Served] = field(default_factory=dict)
    stream: Mapping[str, object] | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, run: Path) -> "PlatformState":
        """Return the state in the folder *run*, empty without a file. Raises PlatformStateError."""
        try:
            return _reader().file(Origin(run / FILE_NAME, PlatformStateError))
        except FileNotFoundError:
            return cls()

    def write(self, run: Path) -> None:
        """Write the state to the folder *run* in one step."""
        atomic_write(
            run / FILE_NAME, orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        )


@cache
def _reader() -> Reader[PlatformState]:
    return Reader(PlatformState)
