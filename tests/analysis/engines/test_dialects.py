"""The queries in other engines' SQL: that they can be said there, and that what sqlglot gets wrong is put right."""

import re
from collections.abc import Sequence

import pyarrow as pa
import pytest
import sqlglot
from sqlglot import exp

from analysis.engines.dialects import Dialect, translate
from analysis.engines.duckdb_engine import DuckDbEngine, EngineError, query_names, sql
from analysis.engines.trino_engine import TrinoEngine, TrinoOptions
from analysis.engines.warehouse import Warehouse
from tests.analysis.engines.test_engines import VALUES

#: What DuckDB says and the other does not know, or means otherwise.
FOREIGN = {
    Dialect.SPARK: r"\b(EPOCH_MS|TIMESTAMP_MILLIS|LIST_CONTAINS|HASH\(|EXCLUDE|QUALIFY|BY NAME|::)",
    Dialect.TRINO: r"\b(EPOCH_MS|FROM_UNIXTIME|LIST_CONTAINS|EXCLUDE|QUALIFY|BY NAME|UNIX_MILLIS|::)|(?<!XX)\bHASH\(",
}


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize("query", query_names())
def test_every_query_can_be_said(query: str, dialect: Dialect) -> None:
    output = translate(sql(query), dialect, VALUES)
    again = sqlglot.parse_one(output, read=dialect)
    assert isinstance(again, exp.Query)
    assert not list(again.find_all(exp.Placeholder, exp.Parameter, exp.Command))
    assert not re.search(FOREIGN[dialect], output.upper())
    ours = sqlglot.parse_one(sql(query), read="duckdb")
    assert isinstance(ours, exp.Query)
    assert [column.alias_or_name for column in again.selects] == [column.alias_or_name for column in ours.selects]


def test_a_moment_becomes_milliseconds() -> None:
    text = "SELECT epoch_ms(TRY_CAST(dt AS TIMESTAMPTZ)) AS at"
    assert translate(text, Dialect.SPARK) == "SELECT UNIX_MILLIS(TRY_CAST(dt AS TIMESTAMP)) AS at"
    assert translate(text, Dialect.TRINO) == (
        "SELECT CAST(ROUND(TO_UNIXTIME(TRY(FROM_ISO8601_TIMESTAMP(dt))) * 1000) AS BIGINT) AS at"
    )
    with pytest.raises(TypeError, match="epoch_ms is used of a text"):
        translate("SELECT epoch_ms(5)", Dialect.SPARK)


def test_what_stands_for_content_tells_columns_apart() -> None:
    text = "SELECT hash(a, b) AS content"
    assert "XXHASH64(TO_JSON(STRUCT(a AS c0, b AS c1)))" in translate(text, Dialect.SPARK)
    assert "XXHASH64(TO_UTF8(JSON_FORMAT(CAST(ROW(a, b) AS JSON))))" in translate(text, Dialect.TRINO)


def test_a_value_is_a_literal_and_a_missing_one_is_named() -> None:
    text = "SELECT * FROM t WHERE a = $name AND b < $most"
    assert translate(text, Dialect.TRINO, {"name": "it's", "most": 3}).endswith("a = 'it''s' AND b < 3")
    with pytest.raises(KeyError, match="most"):
        translate(text, Dialect.SPARK, {"name": "x"})


class Recorder:
    """A connection that writes down what Trino is asked, and answers with one row."""

    description: Sequence[Sequence[object]] = (("answer",),)

    def __init__(self) -> None:
        self.said: list[str] = []
        self.closed = False

    def cursor(self) -> "Recorder":
        return self

    def execute(self, operation: str) -> None:
        if "boom" in operation:
            raise ConnectionError("no route to host\nand more")
        self.said.append(operation)

    def fetchall(self) -> Sequence[Sequence[object]]:
        return [(1,)]

    def close(self) -> None:
        self.closed = True


def test_trino_is_told_of_tables_in_a_schema_of_their_own_which_is_removed() -> None:
    trino = Recorder()
    engine = TrinoEngine(trino, "memory", "s")
    kinds = pa.map_(pa.string(), pa.string())
    rows = {"a": pa.array([1, None]), "b": pa.array(["it's", "ü"]), "c": pa.array([[("k", "v")], None], kinds)}
    engine.add("chosen", pa.table({**rows, "d": pa.array(["x", None]).dictionary_encode(), "e": [0.5, 1e300]}))
    engine.define("observed_flat", "flat", events="observed_events")
    engine.keep("kept", "observed_count", observed="ours")
    assert engine.ask("observed_count") == [{"answer": 1}]
    engine.close()
    assert trino.closed
    for statement in trino.said:
        assert not isinstance(sqlglot.parse_one(statement, read="trino"), exp.Command)
    assert trino.said[0] == 'CREATE SCHEMA "memory"."s"'
    assert 'CREATE TABLE "chosen" ("a" BIGINT, "b" VARCHAR, "c" MAP(VARCHAR, VARCHAR)' in trino.said[2]
    assert trino.said[3].startswith(
        """INSERT INTO "chosen" VALUES (1, 'it''s', MAP(CAST(ARRAY['k'] AS ARRAY(VARCHAR))"""
    )
    assert "(CAST(NULL AS BIGINT), 'ü', CAST(NULL AS MAP(VARCHAR, VARCHAR)), CAST(NULL AS VARCHAR)" in trino.said[3]
    assert [word for word in trino.said if word.startswith("DROP")] == [
        'DROP TABLE IF EXISTS "kept"', 'DROP VIEW IF EXISTS "observed_flat"', 'DROP TABLE IF EXISTS "chosen"',
        'DROP SCHEMA "memory"."s"',
    ]  # fmt: skip


def test_a_trino_that_fails_is_told_of_in_one_line() -> None:
    engine = TrinoEngine(Recorder(), "memory", "s")
    with pytest.raises(EngineError, match=r"^Trino cannot answer \(no route to host\) to: CREATE TABLE \"boom\".*$"):
        engine.add("boom", pa.table({"a": [1]}))


def test_trino_is_reached_as_the_environment_says() -> None:
    given = {"TRINO_HOST": "h", "TRINO_USER": "u", "TRINO_SCRATCH": "memory"}
    assert TrinoOptions.from_environment(given) == TrinoOptions("h", 8080, "u", "hive", "memory")
    for name in given:
        with pytest.raises(EngineError, match=f"{name} is not set"):
            TrinoOptions.from_environment({key: value for key, value in given.items() if key != name})
    with pytest.raises(EngineError, match="no number"):
        TrinoOptions.from_environment({**given, "TRINO_PORT": "x"})


def test_a_table_has_a_name_and_hours_that_can_be() -> None:
    with pytest.raises(EngineError, match="no name of a table"):
        Warehouse(DuckDbEngine(), "event.t; DROP TABLE x")
