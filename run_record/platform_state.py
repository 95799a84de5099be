"""What the platform itself answered when a run was made, besides events: its schemas, its stream config."""

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


class PlatformAnswersError(DogfoodError):
    """What the platform answered cannot be read."""


@dataclass(frozen=True, slots=True)
class PlatformAnswers:
    """What the platform answered.

    Attributes:
        schemas: by the URI that events name, whether the intake serves it.
        stream: what the wiki exports of the run's own stream; None when it was not asked, empty when it exports none.
        notes: what is wrong with configs of others, which the run does not depend on; a sentence each.
    """

    schemas: Mapping[str, Served] = field(default_factory=dict)
    stream: Mapping[str, object] | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, run: Path) -> "PlatformAnswers":
        """Return what was written into the folder *run*; nothing where no file is. Raises PlatformAnswersError."""
        try:
            answers = _reader().file(Origin(run / FILE_NAME, PlatformAnswersError))
        except FileNotFoundError:
            return cls()
        return answers

    def write(self, run: Path) -> None:
        """Write the answers into the folder *run*, in one step."""
        atomic_write(
            run / FILE_NAME, orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        )


@cache
def _reader() -> Reader[PlatformAnswers]:
    return Reader(PlatformAnswers)
