"""SQL that converts a column of any suitable type to a field of an event: values are compared, not types."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from duckdb.sqltypes import DuckDBPyType

from analysis.inputs.field_names import FieldPath, member_of
from analysis.inputs.field_values import TIMES
from contracts.table import duckdb_type

_FORMAT = "'%Y-%m-%dT%H:%M:%S.%gZ'"

_TEXTS = frozenset({"varchar", "enum", "uuid", "json"})
_INTEGERS = frozenset({
    "tinyint", "smallint", "integer", "bigint", "hugeint", "utinyint", "usmallint", "uinteger", "ubigint", "uhugeint",
})  # fmt: skip
_FRACTIONS = frozenset({"float", "double", "decimal"})
_ZONED = frozenset({"timestamp with time zone", "timestamp_tz", "timestamptz"})
_NAIVE = frozenset({"timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns"})
_NESTED = frozenset({"struct", "list", "map", "array", "union"})

#: Column types, besides text, that convert to each field type.
_CONVERTIBLE: Mapping[str, frozenset[str]] = {
    "BIGINT": _INTEGERS | _FRACTIONS | {"boolean"},
    "DOUBLE": _INTEGERS | _FRACTIONS,
    "BOOLEAN": _INTEGERS | {"boolean"},
    "VARCHAR": _INTEGERS | _FRACTIONS | _ZONED | _NAIVE | {"boolean", "date"},
}

#: Column types that need no conversion, by field type.
_NATURAL: Mapping[str, frozenset[str]] = {
    "BIGINT": _INTEGERS,
    "DOUBLE": _FRACTIONS,
    "BOOLEAN": frozenset({"boolean"}),
    "VARCHAR": frozenset({"varchar"}),
}


class UnconvertibleColumnError(Exception):
    """A column's type does not convert to its field; becomes an InputError with the file's name."""


@dataclass
class Casts:
    """Builder of the SQL for one source; records the conversions.

    Attributes:
        convert: registers a Python function that converts text to a field, and returns its name in SQL.
        coerced: source SQL, result SQL and source type of each converted field without members, by field name.
        mapped: field by source name, for members of objects with different names.
        unmapped: members of objects without a field.
        present: fields that the source has.
    """

    convert: Callable[[object, tuple[str, ...]], str]
    coerced: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    mapped: dict[str, str] = field(default_factory=dict)
    unmapped: set[str] = field(default_factory=set)
    present: set[str] = field(default_factory=set)

    def read(self, source: str, kind: DuckDBPyType, target: FieldPath) -> str:
        """Return SQL for the field *target*, from the SQL *source* of the type *kind*.

        Raises:
            UnconvertibleColumnError: the type does not convert to the field.
        """
        field_type = target.kind
        if isinstance(field_type, Mapping):
            return self._object(source, kind, target)
        self.present.add(".".join(target.path))
        if isinstance(field_type, list) or str(field_type).startswith("MAP"):
            return self._collection(source, kind, target)
        return self._scalar(source, kind, target)

    def _object(self, source: str, kind: DuckDBPyType, target: FieldPath) -> str:
        if kind.id != "struct":
            return self._converted(source, kind, target)
        assert isinstance(target.kind, Mapping)  # noqa: S101 (for mypy)
        members: dict[str, str] = {}
        for name, member_kind in _children(kind):
            member = member_of(target.path, name)
            if member is None:
                self.unmapped.add(f"{target.name}.{name}")
                continue
            if member.path[-1] != name:
                self.mapped[f"{target.name}.{name}"] = member.name
            members[member.path[-1]] = self.read(f'{source}."{name}"', member_kind, member)
        return self.packed(target, members)

    def packed(self, target: FieldPath, members: Mapping[str, str]) -> str:
        """Return SQL for an object of *members*; missing members are null."""
        assert isinstance(target.kind, Mapping)  # noqa: S101 (for mypy)
        parts = (
            f'"{name}" := CAST({members.get(name, "NULL")} AS {duckdb_type(kind)})'
            for name, kind in target.kind.items()
        )
        return f"struct_pack({', '.join(parts)})"

    def _collection(self, source: str, kind: DuckDBPyType, target: FieldPath) -> str:
        sql_type = duckdb_type(target.kind)
        if kind.id == "map" and sql_type.startswith("MAP") and _flat(_children(kind)[1][1]):
            return source if str(kind) == sql_type else f"CAST({source} AS {sql_type})"
        if kind.id == "list" and sql_type.endswith("[]") and _flat(_children(kind)[0][1]):
            return source if str(kind) == sql_type else f"CAST({source} AS {sql_type})"
        return self._converted(source, kind, target)

    def _converted(self, source: str, kind: DuckDBPyType, target: FieldPath) -> str:
        """Return SQL for a field in another shape, such as a map as an object or as JSON."""
        if kind.id in _INTEGERS | _FRACTIONS | _ZONED | _NAIVE | {"boolean", "date", "time", "blob", "interval"}:
            raise UnconvertibleColumnError(_problem(target, kind))
        if isinstance(target.kind, Mapping):
            self.present.update(".".join((*target.path, name)) for name in target.kind)
        text = f"CAST({source} AS VARCHAR)" if kind.id in _TEXTS else f"CAST(to_json({source}) AS VARCHAR)"
        function = self.convert(target.kind, target.path)
        sql_type = duckdb_type(target.kind)
        structure = _transform(target.kind)
        result = f"CAST(json_transform({function}({text}), '{structure}') AS {sql_type})"
        self.coerced[target.name] = source, result, str(kind)
        return result

    def _scalar(self, source: str, kind: DuckDBPyType, target: FieldPath) -> str:
        field_type = str(target.kind)
        is_time = target.path in TIMES
        if kind.id == "blob":
            source = f"TRY(decode({source}))"
            self.coerced[target.name] = source, source, "BLOB"
        elif kind.id not in _TEXTS and (
            kind.id not in _CONVERTIBLE[field_type] or (is_time and kind.id in {"date", "boolean"})
        ):
            raise UnconvertibleColumnError(_problem(target, kind))
        text = kind.id in _TEXTS or kind.id == "blob"
        if is_time:
            result = _time(source, kind.id, text=text)
        elif text and field_type == "VARCHAR":
            return f"CAST({source} AS VARCHAR)" if kind.id not in {"varchar", "blob"} else source
        elif text:
            result = f"TRY_CAST(nullif(trim({source}), '') AS {field_type})"
        elif kind.id in _FRACTIONS and field_type == "BIGINT":
            result = f"CASE WHEN {source} = round({source}) THEN TRY_CAST({source} AS BIGINT) END"
        else:
            result = f"TRY_CAST({source} AS {field_type})"
        if kind.id not in _NATURAL[field_type]:
            self.coerced[target.name] = source, result, str(kind)
        return result


def _time(source: str, kind: str, *, text: bool) -> str:
    """Return SQL for a time in the notation of events."""
    if text:
        time = f"make_timestamp(epoch_us(TRY_CAST({source} AS TIMESTAMPTZ)))"
        formatted = f"coalesce(strftime({time}, {_FORMAT}), {source})"
        return f"CASE WHEN {source} LIKE '__________T%Z' THEN {source} ELSE {formatted} END"
    if kind in _ZONED:
        return f"strftime(make_timestamp(epoch_us({source})), {_FORMAT})"
    if kind in _NAIVE:
        return f"strftime(CAST({source} AS TIMESTAMP), {_FORMAT})"
    scaled = (
        f"CASE WHEN abs({source}) < 1e11 THEN {source} * 1e6 WHEN abs({source}) < 1e14 THEN {source} * 1e3 "
        f"WHEN abs({source}) < 1e17 THEN {source} ELSE {source} / 1e3 END"
    )
    # Rounded to milliseconds: seconds as a floating-point number are not exact.
    return f"strftime(make_timestamp(CAST(round(({scaled}) / 1e3) * 1000 AS BIGINT)), {_FORMAT})"


def _children(kind: DuckDBPyType) -> list[tuple[str, DuckDBPyType]]:
    """Return the named types inside *kind*, without the sizes and words of other types."""
    return [(name, child) for name, child in kind.children if isinstance(child, DuckDBPyType)]


def _flat(kind: DuckDBPyType) -> bool:
    """Return whether values of *kind* can be cast to text directly."""
    return kind.id not in _NESTED and kind.id != "blob"


def _transform(kind: object) -> str:
    """Return the structure argument of `json_transform`, as the content of a literal."""
    if isinstance(kind, Mapping):
        members = ", ".join(f'"{name}": {_transform(member)}' for name, member in kind.items())
        return f"{{{members}}}"
    if isinstance(kind, list):
        return f"[{_transform(kind[0])}]"
    return f'"{kind}"'


def _problem(target: FieldPath, kind: DuckDBPyType) -> str:
    return f"column {target.name} is {kind}, which does not convert to {duckdb_type(target.kind)}"
