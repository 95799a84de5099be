"""Validate events against the project's JSON Schema files, by `$schema`. Nothing is fetched."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema_rs
import orjson

FOLDER = Path(__file__).resolve().parent / "schema"

WEB_BASE_1_3_0 = "/analytics/product_metrics/web/base/1.3.0"
WEB_BASE_1_4_2 = "/analytics/product_metrics/web/base/1.4.2"

#: A path of names and a version: no host, no `..`, no escapes.
_URI = re.compile(r"(/[a-z0-9_]+(?:-[a-z0-9_]+)*)+/\d+\.\d+\.\d+")

#: EventGate maps a URI to a file: it ignores repeated slashes, and a query or fragment after the path.
_SUFFIX = re.compile(r"/*(?:[?#].*)?$", re.S)
_SLASHES = re.compile(r"//+")

#: EventGate's validator checks formats by patterns, which accept some dates and hours that do not exist.
_TIME_OF_DAY = r"(?:[0-2][0-9]:[0-5][0-9]:[0-5][0-9]|23:59:60)(?:\.[0-9]+)?"
_FORMATS: Mapping[str, str] = {
    "date-time": rf"^[0-9]{{4}}-[01][0-9]-[0-3][0-9][Tt\s]{_TIME_OF_DAY}(?:[Zz]|[+-][0-9]{{2}}(?::?[0-9]{{2}})?)$",
    "uri-reference": r"^(?:[^\\\s#][^\s#]*)?(?:#[^\\\s]*)?$",
}

_NAME = re.compile(r"[A-Za-z$_][A-Za-z$_0-9]*")


class SchemaNotFoundError(LookupError):
    """An event names a schema that is not in the folder."""


class NestedTooDeeplyError(ValueError):
    """An event has more levels than the validator supports (255)."""


class Problem(NamedTuple):
    """A reason why an event is invalid: *path* in EventGate's form (`.page.id`, empty for the event), and a message."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"'{self.path}' {self.message}"


class Schema(NamedTuple):
    """One schema with its validator."""

    uri: str
    title: str
    validator: jsonschema_rs.Draft7Validator


class SchemaRegistry:
    """The schemas of a folder, each loaded when an event first names it."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._loaded: dict[str, Schema] = {}

    def load(self, uri: str) -> Schema:
        """Return the schema *uri*.

        Raises:
            SchemaNotFoundError: the folder has no such schema, or *uri* is a URL or leaves the folder.
        """
        if uri not in self._loaded:
            name = _SLASHES.sub("/", _SUFFIX.sub("", uri))
            path = self._folder / f"{name[1:]}.json"
            if not _URI.fullmatch(name) or not path.is_file():
                raise SchemaNotFoundError(f"Failed loading schema at {uri}")
            content = orjson.loads(path.read_bytes())
            validator = jsonschema_rs.Draft7Validator(_with_loose_formats(content), validate_formats=False)
            self._loaded[uri] = Schema(name, content["title"], validator)
        return self._loaded[uri]

    def validate(self, event: Mapping[str, object]) -> tuple[Problem, ...]:
        """Return the problems of *event* under the schema that it names; none when it is valid.

        Raises:
            SchemaNotFoundError: the event names no schema, or one that the folder does not have.
            NestedTooDeeplyError: the event has too many levels.
        """
        uri = event.get("$schema")
        if not isinstance(uri, str):
            raise SchemaNotFoundError("Field(s) $schema were missing from event and could not be extracted.")
        validator = self.load(uri).validator
        try:
            if validator.is_valid(event):
                return ()
            return tuple(_problem(error) for error in validator.iter_errors(event))
        except ValueError as error:
            raise NestedTooDeeplyError(str(error)) from error

    def uris(self) -> tuple[str, ...]:
        """Return the URIs of all schemas of the folder, in order."""
        paths = sorted(self._folder.rglob("*.json"))
        return tuple(f"/{path.relative_to(self._folder).with_suffix('')}" for path in paths)


_FORMAT_NAMES = {pattern: name for name, pattern in _FORMATS.items()}

#: EventGate's messages, which are those of Ajv; others of jsonschema-rs are used unchanged.
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


def _with_loose_formats(content: Any) -> Any:  # noqa: ANN401 (JSON)
    """Return the schema *content* with patterns instead of formats."""
    if isinstance(content, list):
        return [_with_loose_formats(item) for item in content]
    if not isinstance(content, dict):
        return content
    changed = {key: _with_loose_formats(value) for key, value in content.items()}
    if content.get("type") == "string" and content.get("format") in _FORMATS:
        changed["pattern"] = _FORMATS[changed.pop("format")]
    return changed


def _problem(error: jsonschema_rs.ValidationError) -> Problem:
    path = "".join(_step(key) for key in error.instance_path)
    template = _MESSAGES.get(error.kind.name)
    if template is None:
        return Problem(path, error.message)
    values = error.kind.as_dict()
    if values.get("pattern") in _FORMAT_NAMES:
        template, values = _MESSAGES["format"], {"format": _FORMAT_NAMES[values["pattern"]]}
    if "types" in values:
        values["types"] = ",".join(values["types"])
    return Problem(path, template.format(**values))


def _step(key: str | int) -> str:
    """Return one step of a path in the form of Ajv: `.page`, `[0]`, `['user-agent']`."""
    if isinstance(key, int):
        return f"[{key}]"
    if _NAME.fullmatch(key):
        return f".{key}"
    escaped = key.replace("\\", "\\\\").replace("'", "\\'")
    return f"['{escaped}']"
