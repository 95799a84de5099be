"""Translation of every query to Spark SQL and Trino, with the corrections of sqlglot's output."""

import re
from collections.abc import Sequence

import pyarrow as pa
import pytest
import sqlglot
from sqlglot import exp

from analysis.engines.base import EngineError
from analysis.engines.dialects import Dialect, translate
from analysis.engines.duckdb_engine import DuckDbEngine
from analysis.engines.sql_files import query_names, sql
from analysis.engines.trino_engine import TrinoEngine, TrinoOptions
from analysis.engines.warehouse import Warehouse
from tests.analysis.engines.test_engines import VALUES

#: DuckDB's SQL that the other engine lacks, or understands differently.
FOREIGN = {
    Dialect.SPARK: r"\b(EPOCH_MS|TIMESTAMP_MILLIS|LIST_CONTAINS|HASH\(|EXCLUDE|QUALIFY|BY NAME|::)",
    Dialect.TRINO: r"\b(EPOCH_MS|FROM_UNIXTIME|LIST_CONTAINS|EXCLUDE|QUALIFY|BY NAME|UNIX_MILLIS|::)|(?<!XX)\bHASH\(",
}


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize("query", query_names())
def test_every_query_is_translated(query: str, dialect: Dialect) -> None:
    output = translate(sql(query), dialect, VALUES)
    translated = sqlglot.parse_one(output, read=dialect)
    assert isinstance(translated, exp.Query)
    assert not list(translated.find_all(exp.Placeholder, exp.Parameter, exp.Command))
    assert not re.search(FOREIGN[dialect], output.upper())
    original = sqlglot.parse_one(sql(query), read="duckdb")
    assert isinstance(original, exp.Query)
    assert [column.alias_or_name for column in translated.selects] == [
        column.alias_or_name for column in original.selects
    ]


def test_time_becomes_milliseconds() -> None:
    text = "SELECT epoch_ms(TRY_CAST(dt AS TIMESTAMPTZ)) AS at"
    assert translate(text, Dialect.SPARK) == "SELECT UNIX_MILLIS(TRY_CAST(dt AS TIMESTAMP)) AS at"
    assert translate(text, Dialect.TRINO) == (
        "SELECT CAST(ROUND(TO_UNIXTIME(TRY(FROM_ISO8601_TIMESTAMP(dt))) * 1000) AS BIGINT) AS at"
    )
    with pytest.raises(TypeError, match="epoch_ms needs a text"):
        translate("SELECT epoch_ms(5)", Dialect.SPARK)


def test_content_hash_distinguishes_columns() -> None:
    text = "SELECT hash(a, b) AS content_hash"
    assert "XXHASH64(TO_JSON(STRUCT(a AS c0, b AS c1)))" in translate(text, Dialect.SPARK)
    assert "XXHASH64(TO_UTF8(JSON_FORMAT(CAST(ROW(a, b) AS JSON))))" in translate(text, Dialect.TRINO)


def test_missing_parameter_is_named() -> None:
    text = "SELECT * FROM t WHERE a = $name AND b < $most"
    assert translate(text, Dialect.TRINO, {"name": "it's", "most": 3}).endswith("a = 'it''s' AND b < 3")
    with pytest.raises(KeyError, match="most"):
        translate(text, Dialect.SPARK, {"name": "x"})


class Recorder:
    """A connection that records its statements and answers each with one row."""

    description: Sequence[Sequence[object]] = (("answer",),)

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.closed = False

    def cursor(self) -> "Recorder":
        return self

    def execute(self, operation: str) -> None:
        if "boom" in operation:
            raise ConnectionError("no route to host\nand more")
        self.statements.append(operation)

    def fetchall(self) -> Sequence[Sequence[object]]:
        return [(1,)]

    def close(self) -> None:
        self.closed = True


def test_trino_tables_are_in_a_temporary_schema() -> None:
    trino = Recorder()
    engine = TrinoEngine(trino, "memory", "s")
    kinds = pa.map_(pa.string(), pa.string())
    rows = {"a": pa.array([1, None]), "b": pa.array(["it's", "ü"]), "c": pa.array([[("k", "v")], None], kinds)}
    engine.add("chosen_subjects", pa.table({**rows, "d": pa.array(["x", None]).dictionary_encode(), "e": [0.5, 1e300]}))
    engine.define("observed_flattened", "rows_flattened", events="observed_events")
    engine.keep("kept", "observed_count", observed="candidate_rows")
    assert engine.ask("observed_count") == [{"answer": 1}]
    engine.close()
    assert trino.closed
    for statement in trino.statements:
        assert not isinstance(sqlglot.parse_one(statement, read="trino"), exp.Command)
    assert trino.statements[0] == 'CREATE SCHEMA "memory"."s"'
    assert 'CREATE TABLE "chosen_subjects" ("a" BIGINT, "b" VARCHAR, "c" MAP(VARCHAR, VARCHAR)' in trino.statements[2]
    assert trino.statements[3].startswith(
        """INSERT INTO "chosen_subjects" VALUES (1, 'it''s', MAP(CAST(ARRAY['k'] AS ARRAY(VARCHAR))"""
    )
    assert (
        "(CAST(NULL AS BIGINT), 'ü', CAST(NULL AS MAP(VARCHAR, VARCHAR)), CAST(NULL AS VARCHAR)" in trino.statements[3]
    )
    assert [statement for statement in trino.statements if statement.startswith("DROP")] == [
        'DROP TABLE IF EXISTS "kept"', 'DROP VIEW IF EXISTS "observed_flattened"',
        'DROP TABLE IF EXISTS "chosen_subjects"', 'DROP SCHEMA "memory"."s"',
    ]  # fmt: skip


def test_trino_error_is_one_line() -> None:
    engine = TrinoEngine(Recorder(), "memory", "s")
    with pytest.raises(EngineError, match=r"^Trino cannot answer \(no route to host\) to: CREATE TABLE \"boom\".*$"):
        engine.add("boom", pa.table({"a": [1]}))


def test_trino_options_come_from_the_environment() -> None:
    environment = {"TRINO_HOST": "h", "TRINO_USER": "u", "TRINO_SCRATCH": "memory"}
    assert TrinoOptions.from_environment(environment) == TrinoOptions("h", 8080, "u", "hive", "memory")
    for name in environment:
        with pytest.raises(EngineError, match=f"{name} is not set"):
            TrinoOptions.from_environment({key: value for key, value in environment.items() if key != name})
    with pytest.raises(EngineError, match="not a number"):
        TrinoOptions.from_environment({**environment, "TRINO_PORT": "x"})


def test_invalid_table_name_is_refused() -> None:
    with pytest.raises(EngineError, match="not a table name"):
        Warehouse(DuckDbEngine(), "event.t; DROP TABLE x")
