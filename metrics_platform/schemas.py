"""The project's own JSON Schema files, looked up by an event's `$schema`. Nothing is ever fetched."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import jsonschema_rs
import orjson

FOLDER = Path(__file__).resolve().parent / "schema"

WEB_BASE_1_3_0 = "/analytics/product_metrics/web/base/1.3.0"
WEB_BASE_1_4_2 = "/analytics/product_metrics/web/base/1.4.2"

#: A plain path of names and a version: no address, no `..`, no escapes.
_URI = re.compile(r"(/[a-z0-9_]+(?:-[a-z0-9_]+)*)+/\d+\.\d+\.\d+")

_NAME = re.compile(r"[A-Za-z$_][A-Za-z$_0-9]*")


class SchemaNotFoundError(LookupError):
    """An event names a schema that is not in the folder."""


class Problem(NamedTuple):
    """Why an event is invalid: *path* as EventGate writes it (`.page.id`, empty for the event), and a message."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"'{self.path}' {self.message}"


class Schema(NamedTuple):
    """One schema, ready to validate."""

    uri: str
    title: str
    validator: jsonschema_rs.Draft7Validator


class SchemaRegistry:
    """All schemas of a folder, each loaded when an event first names it."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._loaded: dict[str, Schema] = {}

    def load(self, uri: str) -> Schema:
        """Return the schema *uri*.

        Raises:
            SchemaNotFoundError: there is none of that name, or *uri* is an address or climbs out of the folder.
        """
        if uri not in self._loaded:
            path = self._folder / f"{uri[1:]}.json"
            if not _URI.fullmatch(uri) or not path.is_file():
                raise SchemaNotFoundError(f"Failed loading schema at {uri}")
            content = orjson.loads(path.read_bytes())
            validator = jsonschema_rs.Draft7Validator(content, validate_formats=True)
            self._loaded[uri] = Schema(uri, content["title"], validator)
        return self._loaded[uri]

    def validate(self, event: Mapping[str, object]) -> tuple[Problem, ...]:
        """Return why *event* is invalid under the schema it names; nothing when it is valid.

        Raises:
            SchemaNotFoundError: the event names no schema, or none of the folder's.
        """
        uri = event.get("$schema")
        if not isinstance(uri, str):
            raise SchemaNotFoundError("Field(s) $schema were missing from event and could not be extracted.")
        validator = self.load(uri).validator
        if validator.is_valid(event):
            return ()
        return tuple(_problem(error) for error in validator.iter_errors(event))

    def uris(self) -> tuple[str, ...]:
        """Return the URIs of all schemas of the folder, in order."""
        paths = sorted(self._folder.rglob("*.json"))
        return tuple(f"/{path.relative_to(self._folder).with_suffix('')}" for path in paths)


#: EventGate words its messages as Ajv does; the rest of jsonschema-rs's are used as they are.
_MESSAGES: Mapping[str, str] = {
    "type": "should be {types}",
    "enum": "should be equal to one of the allowed values",
    "minimum": "should be >= {limit}",
    "maximum": "should be <= {limit}",
    "minLength": "should NOT be shorter than {limit} characters",
    "maxLength": "should NOT be longer than {limit} characters",
    "pattern": 'should match pattern "{pattern}"',
    "format": 'should match format "{format}"',
    "required": "should have required property '{property}'",
    "additionalProperties": "should NOT have additional properties",
}


def _problem(error: jsonschema_rs.ValidationError) -> Problem:
    path = "".join(_step(key) for key in error.instance_path)
    template = _MESSAGES.get(error.kind.name)
    if template is None:
        return Problem(path, error.message)
    values = error.kind.as_dict()
    if "types" in values:
        values["types"] = ",".join(values["types"])
    return Problem(path, template.format(**values))


def _step(key: str | int) -> str:
    """Return one step of a path as Ajv writes it: `.page`, `[0]`, `['user-agent']`."""
    if isinstance(key, int):
        return f"[{key}]"
    if _NAME.fullmatch(key):
        return f".{key}"
    escaped = key.replace("\\", "\\\\").replace("'", "\\'")
    return f"['{escaped}']"
