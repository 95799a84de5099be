"""What scenarios found: a row a step that was looked at, whether it was as it should be or not."""

from pathlib import Path
from typing import NamedTuple

import orjson

from common.atomic_write import atomic_write
from common.errors import DogfoodError
from common.typed_json import Origin, Reader, content_of

FILE_NAME = "findings.ndjson"


class ScenarioFinding(NamedTuple):
    """One thing that a scenario looked at.

    Attributes:
        scenario: its name.
        step: what was looked at, in a few words.
        ok: whether it was as it should be.
        layer: which layer is at fault when it was not.
        told: what was seen, for people.
        evidence: folder, within the run's, of screenshot, trace and console log; empty when all was well.
    """

    scenario: str
    step: str
    ok: bool
    layer: str
    told: str
    evidence: str = ""


_READER = Reader(ScenarioFinding)


class ScenarioFindingsError(DogfoodError):
    """Findings that cannot be read."""


def write_scenario_findings(run: Path, findings: list[ScenarioFinding]) -> None:
    """Write the findings of the run in the folder *run*, in one step."""
    lines = [orjson.dumps(finding._asdict(), option=orjson.OPT_APPEND_NEWLINE) for finding in findings]
    atomic_write(run / FILE_NAME, b"".join(lines))


def read_scenario_findings(run: Path) -> tuple[ScenarioFinding, ...]:
    """Return the findings of the run in the folder *run*; none when no scenario was played. Raises ScenarioFindingsError."""
    origin = Origin(run / FILE_NAME, ScenarioFindingsError)
    try:
        return tuple(_READER.rows(content_of(origin), origin))
    except FileNotFoundError:
        return ()
