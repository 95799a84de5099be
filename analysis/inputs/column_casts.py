"""SQL that reads a column of any sensible type as a field of an event, so that values are compared and not types."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from duckdb.sqltypes import DuckDBPyType

from analysis.inputs.field_names import FieldPath, member_of
from analysis.inputs.field_values import TIMES
from contracts.table import duckdb_type

_FORMAT = "'%Y-%m-%dT%H:%M:%S.%gZ'"

_TEXTS = frozenset({"varchar", "enum", "uuid", "json"})
_WHOLE = frozenset({
    "tinyint", "smallint", "integer", "bigint", "hugeint", "utinyint", "usmallint", "uinteger", "ubigint", "uhugeint",
})  # fmt: skip
_BROKEN = frozenset({"float", "double", "decimal"})
_ZONED = frozenset({"timestamp with time zone", "timestamp_tz", "timestamptz"})
_NAIVE = frozenset({"timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns"})
_NESTED = frozenset({"struct", "list", "map", "array", "union"})

#: Source types that each type of a field can be read from, besides texts.
_SENSIBLE: Mapping[str, frozenset[str]] = {
    "BIGINT": _WHOLE | _BROKEN | {"boolean"},
    "DOUBLE": _WHOLE | _BROKEN,
    "BOOLEAN": _WHOLE | {"boolean"},
    "VARCHAR": _WHOLE | _BROKEN | _ZONED | _NAIVE | {"boolean", "date"},
}


class Unsuitable(Exception):  # noqa: N818 (becomes an InputError with the file's name)
    """A column whose type has no sensible reading as its field."""


@dataclass
class Casts:
    """Builds the SQL of one source; collects what it had to change.

    Attributes:
        convert: registers a Python function that reads texts as a field, and returns its name in SQL.
        coerced: source, result and type of every leaf that is read as another type, by the field's name.
        mapped: fields by the names that members of objects have in the source, where those differ.
        unmapped: members of objects that no field has.
        present: fields that the source has.
    """

    convert: Callable[[object, tuple[str, ...]], str]
    coerced: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    mapped: dict[str, str] = field(default_factory=dict)
    unmapped: set[str] = field(default_factory=set)
    present: set[str] = field(default_factory=set)

    def read(self, source: str, kind: DuckDBPyType, place: FieldPath) -> str:
        """Return SQL for the field at *place*, from the SQL *source* of the type *kind*.

        Raises:
            Unsuitable: there is no sensible reading.
        """
        wanted = place.kind
        if isinstance(wanted, Mapping):
            return self._object(source, kind, place)
        self.present.add(".".join(place.path))
        if isinstance(wanted, list) or str(wanted).startswith("MAP"):
            return self._collection(source, kind, place)
        return self._scalar(source, kind, place)

    def _object(self, source: str, kind: DuckDBPyType, place: FieldPath) -> str:
        if kind.id != "struct":
            return self._converted(source, kind, place)
        assert isinstance(place.kind, Mapping)  # noqa: S101 (for mypy)
        members: dict[str, str] = {}
        for name, member_kind in _children(kind):
            member = member_of(place.path, name)
            if member is None:
                self.unmapped.add(f"{place.name}.{name}")
                continue
            if member.path[-1] != name:
                self.mapped[f"{place.name}.{name}"] = member.name
            members[member.path[-1]] = self.read(f'{source}."{name}"', member_kind, member)
        return self.packed(place, members)

    def packed(self, place: FieldPath, members: Mapping[str, str]) -> str:
        """Return SQL for an object of *members*; those that are not given are null."""
        assert isinstance(place.kind, Mapping)  # noqa: S101 (for mypy)
        parts = (
            f'"{name}" := CAST({members.get(name, "NULL")} AS {duckdb_type(kind)})' for name, kind in place.kind.items()
        )
        return f"struct_pack({', '.join(parts)})"

    def _collection(self, source: str, kind: DuckDBPyType, place: FieldPath) -> str:
        target = duckdb_type(place.kind)
        if kind.id == "map" and target.startswith("MAP") and _flat(_children(kind)[1][1]):
            return source if str(kind) == target else f"CAST({source} AS {target})"
        if kind.id == "list" and target.endswith("[]") and _flat(_children(kind)[0][1]):
            return source if str(kind) == target else f"CAST({source} AS {target})"
        return self._converted(source, kind, place)

    def _converted(self, source: str, kind: DuckDBPyType, place: FieldPath) -> str:
        """Return SQL for a field that is written in another shape, such as a map as an object or as JSON."""
        if kind.id in _WHOLE | _BROKEN | _ZONED | _NAIVE | {"boolean", "date", "time", "blob", "interval"}:
            raise Unsuitable(_why(place, kind))
        if isinstance(place.kind, Mapping):
            self.present.update(".".join((*place.path, name)) for name in place.kind)
        text = f"CAST({source} AS VARCHAR)" if kind.id in _TEXTS else f"CAST(to_json({source}) AS VARCHAR)"
        function = self.convert(place.kind, place.path)
        target = duckdb_type(place.kind)
        structure = _transform(place.kind)
        result = f"CAST(json_transform({function}({text}), '{structure}') AS {target})"
        self.coerced[place.name] = source, result, str(kind)
        return result

    def _scalar(self, source: str, kind: DuckDBPyType, place: FieldPath) -> str:
        wanted = str(place.kind)
        is_time = place.path in TIMES
        if kind.id == "blob":
            source = f"TRY(decode({source}))"
            self.coerced[place.name] = source, source, "BLOB"
        elif kind.id not in _TEXTS and (
            kind.id not in _SENSIBLE[wanted] or (is_time and kind.id in {"date", "boolean"})
        ):
            raise Unsuitable(_why(place, kind))
        text = kind.id in _TEXTS or kind.id == "blob"
        if is_time:
            result = _time(source, kind.id, text=text)
        elif text and wanted == "VARCHAR":
            return f"CAST({source} AS VARCHAR)" if kind.id not in {"varchar", "blob"} else source
        elif text:
            result = f"TRY_CAST(nullif(trim({source}), '') AS {wanted})"
        elif kind.id in _BROKEN and wanted == "BIGINT":
            result = f"CASE WHEN {source} = round({source}) THEN TRY_CAST({source} AS BIGINT) END"
        else:
            result = f"TRY_CAST({source} AS {wanted})"
        natural = {"BIGINT": _WHOLE, "DOUBLE": _BROKEN, "BOOLEAN": {"boolean"}, "VARCHAR": {"varchar"}}[wanted]
        if kind.id not in natural:
            self.coerced[place.name] = source, result, str(kind)
        return result


def _time(source: str, kind: str, *, text: bool) -> str:
    """Return SQL for a moment as events write it."""
    if text:
        moment = f"make_timestamp(epoch_us(TRY_CAST({source} AS TIMESTAMPTZ)))"
        written = f"coalesce(strftime({moment}, {_FORMAT}), {source})"
        return f"CASE WHEN {source} LIKE '__________T%Z' THEN {source} ELSE {written} END"
    if kind in _ZONED:
        return f"strftime(make_timestamp(epoch_us({source})), {_FORMAT})"
    if kind in _NAIVE:
        return f"strftime(CAST({source} AS TIMESTAMP), {_FORMAT})"
    scaled = (
        f"CASE WHEN abs({source}) < 1e11 THEN {source} * 1e6 WHEN abs({source}) < 1e14 THEN {source} * 1e3 "
        f"WHEN abs({source}) < 1e17 THEN {source} ELSE {source} / 1e3 END"
    )
    # To the nearest millisecond: seconds as a floating-point number are not exact.
    return f"strftime(make_timestamp(CAST(round(({scaled}) / 1e3) * 1000 AS BIGINT)), {_FORMAT})"


def _children(kind: DuckDBPyType) -> list[tuple[str, DuckDBPyType]]:
    """Return the named types within *kind*; sizes and words, which other types have, are not among them."""
    return [(name, child) for name, child in kind.children if isinstance(child, DuckDBPyType)]


def _flat(kind: DuckDBPyType) -> bool:
    """Return whether values of *kind* can be cast to text as they are."""
    return kind.id not in _NESTED and kind.id != "blob"


def _transform(kind: object) -> str:
    """Return the structure that `json_transform` takes, as a literal's content."""
    if isinstance(kind, Mapping):
        members = ", ".join(f'"{name}": {_transform(member)}' for name, member in kind.items())
        return f"{{{members}}}"
    if isinstance(kind, list):
        return f"[{_transform(kind[0])}]"
    return f'"{kind}"'


def _why(place: FieldPath, kind: DuckDBPyType) -> str:
    return f"column {place.name} is {kind}, which has no sensible reading as {duckdb_type(place.kind)}"
