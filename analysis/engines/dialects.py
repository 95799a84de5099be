"""Translation of the analysis' queries from DuckDB's SQL to Spark SQL and Trino, by sqlglot.

This module corrects what sqlglot mistranslates or leaves unchanged, so that all three engines return the same answers.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum

import sqlglot
from sqlglot import exp

Value = str | int


class Dialect(StrEnum):
    """SQL dialects, by sqlglot's names."""

    SPARK = "spark"
    TRINO = "trino"


def translate(text: str, dialect: Dialect, values: Mapping[str, Value] | None = None) -> str:
    """Return a DuckDB query in *dialect*, with *values* in place of its `$parameters`.

    Raises:
        KeyError: a parameter has no value.
        sqlglot.errors.SqlglotError: the query cannot be parsed, or *dialect* has no equivalent.
    """
    values = values or {}

    def convert(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Placeholder):
            return exp.convert(values[str(node.this)])
        change = _CHANGES[dialect].get(_name(node))
        return change(node) if change else node

    tree = sqlglot.parse_one(text, read="duckdb").transform(convert)
    return tree.sql(dialect, unsupported_level=sqlglot.ErrorLevel.RAISE, comments=False)


def _name(node: exp.Expr) -> str:
    """Return the name of a node in `_CHANGES`."""
    return str(node.this).lower() if isinstance(node, exp.Anonymous) else type(node).__name__


def _call(name: str, *arguments: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _time_text(node: exp.Expr) -> exp.Expr:
    """Return the text in `epoch_ms(TRY_CAST(text AS TIMESTAMPTZ))`; DuckDB's function also takes numbers."""
    cast = node.this
    if not isinstance(cast, exp.TryCast):
        raise TypeError(f"epoch_ms needs a text that is cast to a time, not {node.sql('duckdb')}")
    text: exp.Expr = cast.this
    return text


def _spark_epoch_ms(node: exp.Expr) -> exp.Expr:
    return _call("unix_millis", exp.TryCast(this=_time_text(node), to=exp.DataType.build("timestamp"), safe=True))


def _trino_epoch_ms(node: exp.Expr) -> exp.Expr:
    seconds = _call("to_unixtime", _call("try", _call("from_iso8601_timestamp", _time_text(node))))
    return exp.cast(_call("round", exp.Mul(this=seconds, expression=exp.Literal.number(1000))), "bigint")


def _spark_hash(node: exp.Expr) -> exp.Expr:
    # Spark's hash skips nulls, so a value in the next column would hash alike, and it rejects maps. Members are named
    # by their index, so that the same values hash alike under any column names.
    members = (exp.alias_(member, f"c{index}") for index, member in enumerate(node.expressions))
    return _call("xxhash64", _call("to_json", _call("struct", *members)))


def _trino_hash(node: exp.Expr) -> exp.Expr:
    row = exp.Cast(this=_call("row", *node.expressions), to=exp.DataType.build("json"))
    digest = _call("xxhash64", _call("to_utf8", _call("json_format", row)))
    return _call("from_big_endian_64", digest)


def _trino_member(node: exp.Expr) -> exp.Expr:
    # Trino's `map[key]` fails for a missing key.
    return _call("element_at", node.this, *node.expressions)


def _trino_bit_count(node: exp.Expr) -> exp.Expr:
    return _call("bit_count", *node.expressions, exp.Literal.number(64))


_CHANGES: Mapping[Dialect, Mapping[str, Callable[[exp.Expr], exp.Expr]]] = {
    Dialect.SPARK: {"UnixToTime": _spark_epoch_ms, "hash": _spark_hash},
    Dialect.TRINO: {
        "UnixToTime": _trino_epoch_ms,
        "hash": _trino_hash,
        "Bracket": _trino_member,
        "bit_count": _trino_bit_count,
    },
}
