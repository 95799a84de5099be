"""The findings of scenarios: one row for each step that was checked, passed or not."""

from pathlib import Path
from typing import NamedTuple

import orjson

from common.atomic_write import atomic_write
from common.errors import DogfoodError
from common.typed_json import Origin, Reader, content_of

FILE_NAME = "findings.ndjson"


class ScenarioFinding(NamedTuple):
    """One checked step of a scenario.

    Attributes:
        scenario: name of the scenario.
        step: the checked property, in a few words.
        ok: whether it holds.
        layer: layer at fault when it does not.
        observation: the observed facts, for people. Key in the file: `told`.
        evidence: folder, relative to the run's, of screenshot, trace and console log; empty when the step passed.
    """

    scenario: str
    step: str
    ok: bool
    layer: str
    observation: str
    evidence: str = ""


#: JSON keys of fields whose key is not their name.
_KEYS = {"observation": "told"}
_READER = Reader(ScenarioFinding, _KEYS)


class ScenarioFindingsError(DogfoodError):
    """The findings cannot be read."""


def write_scenario_findings(run: Path, findings: list[ScenarioFinding]) -> None:
    """Write *findings* to the folder *run* in one step."""
    rows = ({_KEYS.get(name, name): value for name, value in finding._asdict().items()} for finding in findings)
    lines = [orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows]
    atomic_write(run / FILE_NAME, b"".join(lines))


def read_scenario_findings(run: Path) -> tuple[ScenarioFinding, ...]:
    """Return the findings of the run in the folder *run*, empty without scenarios. Raises ScenarioFindingsError."""
    origin = Origin(run / FILE_NAME, ScenarioFindingsError)
    try:
        return tuple(_READER.rows(content_of(origin), origin))
    except FileNotFoundError:
        return ()
