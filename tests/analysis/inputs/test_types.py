"""Conversion of column types: values are compared, not the types of an export."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from analysis.inputs.errors import InputError
from tests.analysis.inputs.samples import events, expected_rows, parquet, read, table


def member(rows: pa.Table, path: str, change: Callable[[pa.Array], pa.Array]) -> pa.Table:
    """Return *rows* with the field at *path* changed."""
    top, _, name = path.partition(".")
    column = rows[top].combine_chunks()
    if not name:
        return rows.set_column(rows.column_names.index(top), top, change(column))
    names = [field.name for field in column.type]
    parts = [change(pc.struct_field(column, each)) if each == name else pc.struct_field(column, each) for each in names]
    return rows.set_column(rows.column_names.index(top), top, pa.StructArray.from_arrays(parts, names))


def times(unit: str, zone: str | None) -> Callable[[pa.Array], pa.Array]:
    def change(column: pa.Array) -> pa.Array:
        text = pc.utf8_slice_codeunits(column, 0, 23)
        seconds_ms = pc.strptime(pc.utf8_slice_codeunits(text, 0, 19), "%Y-%m-%dT%H:%M:%S", "ms").cast(pa.int64())
        whole = pc.add(seconds_ms, pc.utf8_slice_codeunits(text, 20, 23).cast(pa.int64()))
        return whole.cast(pa.timestamp("ms")).cast(pa.timestamp(unit)).cast(pa.timestamp(unit, zone))

    return change


def binary(column: pa.Array) -> pa.Array:
    """Return texts as bytes, in objects and lists as well."""
    kind = column.type
    if pa.types.is_string(kind):
        return column.cast(pa.binary())
    if pa.types.is_struct(kind):
        names = [field.name for field in kind]
        return pa.StructArray.from_arrays([binary(pc.struct_field(column, name)) for name in names], names)
    return column


def rebuilt(path: str, value: Callable[[Any], object], kind: pa.DataType) -> Callable[[pa.Table], pa.Table]:
    """Return a change that replaces every value of the field at *path*."""

    def change(column: pa.Array) -> pa.Array:
        values = column.to_pylist(maps_as_pydicts="strict")
        return pa.array([None if item is None else value(item) for item in values], kind)

    return lambda rows: member(rows, path, change)


def each(*changes: Callable[[pa.Table], pa.Table]) -> Callable[[pa.Table], pa.Table]:
    def change(rows: pa.Table) -> pa.Table:
        for one in changes:
            rows = one(rows)
        return rows

    return change


def in_times(unit: str, zone: str | None = None) -> Callable[[pa.Table], pa.Table]:
    return lambda rows: member(member(rows, "dt", times(unit, zone)), "meta.dt", times(unit, zone))


_PAIR = pa.list_(pa.struct([("key", pa.string()), ("value", pa.string())]))
_HEADERS = pa.struct([("user-agent", pa.string()), ("x", pa.string())])


def json_text(value: object) -> str:
    import orjson

    return orjson.dumps(value).decode()


def objects_as_json(rows: pa.Table) -> pa.Table:
    for name in ("meta", "experiments", "experiment", "performer", "http", "sample"):
        rows = rebuilt(name, json_text, pa.string())(rows)
    return rows


TYPES: dict[str, Callable[[pa.Table], pa.Table]] = {
    "texts as bytes": lambda rows: pa.table({n: binary(rows[n].combine_chunks()) for n in rows.column_names}),
    "milliseconds": in_times("ms"),
    "microseconds": in_times("us"),
    "nanoseconds": in_times("ns"),
    "UTC": in_times("us", "UTC"),
    "another zone": in_times("us", "America/New_York"),
    "epoch milliseconds": lambda rows: member(rows, "dt", lambda c: times("ms", None)(c).cast(pa.int64())),
    "times with a blank": rebuilt("dt", lambda text: str(text).replace("T", " ").rstrip("Z"), pa.string()),
    "times with an offset": rebuilt("meta.dt", lambda text: str(text).rstrip("Z") + "+00:00", pa.string()),
    "integers as text": each(
        rebuilt("performer.id", str, pa.string()),
        rebuilt("funnel_event_sequence_position", str, pa.string()),
        rebuilt("sample.rate", str, pa.string()),
    ),
    "integers as floats": rebuilt("performer.id", float, pa.float64()),
    "small integers": rebuilt("funnel_event_sequence_position", int, pa.int8()),
    "booleans as text": rebuilt("performer.is_logged_in", str, pa.string()),
    "booleans as numbers": rebuilt("performer.is_logged_in", int, pa.int8()),
    "dictionary": lambda rows: member(rows, "action", lambda column: column.dictionary_encode()),
    "large texts": rebuilt("action", str, pa.large_string()),
    "map as object": rebuilt("http.request_headers", dict, _HEADERS),
    "map as JSON": rebuilt("experiments.assigned", json_text, pa.string()),
    "map as pairs": rebuilt(
        "http.request_headers", lambda m: [{"key": k, "value": v} for k, v in dict(m).items()], _PAIR
    ),
    "list as JSON": rebuilt("experiments.enrolled", json_text, pa.string()),
    "objects as JSON": objects_as_json,
    "members in upper case": lambda rows: member(rows, "meta", lambda c: pa.StructArray.from_arrays(
        c.flatten(), [field.name.upper() for field in c.type])),
    "flattened": lambda rows: rows.flatten(),
    "renamed": lambda rows: rows.rename_columns([name.upper() for name in rows.column_names]),
}  # fmt: skip


@pytest.mark.parametrize("name", TYPES)
def test_values_are_compared_not_types(tmp_path: Path, name: str) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(parquet(TYPES[name](table())))
    _, rows = read(path)
    assert rows == expected_rows()


def test_times_as_int96_are_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(in_times("ns")(table()), path, use_deprecated_int96_timestamps=True)
    observed, rows = read(path)
    assert rows == expected_rows()
    assert [count for name, count in observed.summary.coerced.items() if name.startswith("dt (")] == [len(events())]


def test_files_of_one_folder_may_have_other_types(tmp_path: Path) -> None:
    rows = table()
    (tmp_path / "a").write_bytes(parquet(rows.slice(0, 20)))
    (tmp_path / "b").write_bytes(parquet(in_times("us", "UTC")(rows.slice(20))))
    _, text = read(tmp_path)
    assert text == expected_rows()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (rebuilt("dt", lambda _: 19_000, pa.date32()), "column dt is DATE"),
        (rebuilt("action", lambda _: ["x"], pa.list_(pa.string())), "column action is VARCHAR"),
        (rebuilt("performer.id", lambda _: "not a number", pa.string()), "column performer.id is VARCHAR, and none"),
        (rebuilt("meta", lambda _: 7, pa.int64()), "column meta is BIGINT"),
        (rebuilt("experiments.assigned", lambda _: "rubbish", pa.string()), "experiments.assigned is VARCHAR"),
    ],
)
def test_unconvertible_column_is_named(tmp_path: Path, change: Callable[[pa.Table], pa.Table], message: str) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(parquet(change(table())))
    with pytest.raises(InputError, match=message):
        read(path)
