"""The analysis' queries in another engine's SQL. They are written for DuckDB; sqlglot translates them.

What sqlglot takes for something else, or leaves as it is, is put right here; all three engines then say the same.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum

import sqlglot
from sqlglot import exp

Value = str | int


class Dialect(StrEnum):
    """Whose SQL, by sqlglot's names."""

    SPARK = "spark"
    TRINO = "trino"


def translate(text: str, dialect: Dialect, values: Mapping[str, Value] | None = None) -> str:
    """Return a query of DuckDB's as *dialect* has it, with *values* in place of its `$parameters`.

    Raises:
        KeyError: a parameter has no value.
        sqlglot.errors.SqlglotError: the query is not understood, or *dialect* has no such thing.
    """
    values = values or {}

    def other(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Placeholder):
            return exp.convert(values[str(node.this)])
        change = _CHANGES[dialect].get(_name(node))
        return change(node) if change else node

    tree = sqlglot.parse_one(text, read="duckdb").transform(other)
    return tree.sql(dialect, unsupported_level=sqlglot.ErrorLevel.RAISE, comments=False)


def _name(node: exp.Expr) -> str:
    """Return what a node is known by in the tables of changes."""
    return str(node.this).lower() if isinstance(node, exp.Anonymous) else type(node).__name__


def _call(name: str, *arguments: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _moment(node: exp.Expr) -> exp.Expr:
    """Return the text of `epoch_ms(TRY_CAST(text AS TIMESTAMPTZ))`; DuckDB's function goes either way."""
    cast = node.this
    if not isinstance(cast, exp.TryCast):
        raise TypeError(f"epoch_ms is used of a text that is cast to a time, and not as in {node.sql('duckdb')}")
    text: exp.Expr = cast.this
    return text


def _spark_epoch_ms(node: exp.Expr) -> exp.Expr:
    return _call("unix_millis", exp.TryCast(this=_moment(node), to=exp.DataType.build("timestamp"), safe=True))


def _trino_epoch_ms(node: exp.Expr) -> exp.Expr:
    seconds = _call("to_unixtime", _call("try", _call("from_iso8601_timestamp", _moment(node))))
    return exp.cast(_call("round", exp.Mul(this=seconds, expression=exp.Literal.number(1000))), "bigint")


def _spark_hash(node: exp.Expr) -> exp.Expr:
    # With a name each: Spark's hash passes over what is null, so a value in the next column would hash alike, and it
    # takes no maps. The names are places, so that the same values hash alike whatever their columns are called.
    members = (exp.alias_(member, f"c{place}") for place, member in enumerate(node.expressions))
    return _call("xxhash64", _call("to_json", _call("struct", *members)))


def _trino_hash(node: exp.Expr) -> exp.Expr:
    row = exp.Cast(this=_call("row", *node.expressions), to=exp.DataType.build("json"))
    digest = _call("xxhash64", _call("to_utf8", _call("json_format", row)))
    return _call("from_big_endian_64", digest)


def _trino_member(node: exp.Expr) -> exp.Expr:
    # Of a map without the key, `map[key]` is an error there.
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
