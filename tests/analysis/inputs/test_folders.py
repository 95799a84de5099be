"""Folders of files: Hive partitions, hidden files, links, mixed formats, and tables of Delta, Iceberg and Hudi."""

import gzip
import os
from pathlib import Path

import orjson
import pytest

from analysis.inputs.errors import InputError
from tests.analysis.inputs.samples import events, expected_rows, lines, parquet, read, table


def test_hidden_and_empty_files_are_not_data(tmp_path: Path) -> None:
    (tmp_path / "part-00000").write_bytes(parquet(table()))
    (tmp_path / ".part-00000.crc").write_bytes(b"crc")
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / "000001_0").touch()
    (tmp_path / "_temporary").mkdir()
    (tmp_path / "_temporary" / "part-00001").write_bytes(parquet(table()))
    _, rows = read(tmp_path)
    assert rows == expected_rows()


def test_mixed_formats_are_read_together(tmp_path: Path) -> None:
    items = events()
    (tmp_path / "a").write_bytes(parquet(table(items[:20])))
    (tmp_path / "b.gz").write_bytes(gzip.compress(lines(items[20:40])))
    (tmp_path / "c.json").write_bytes(orjson.dumps(items[40:], option=orjson.OPT_INDENT_2))
    (tmp_path / "README").write_bytes(b"An export.\n")
    os.mkfifo(tmp_path / "pipe")
    observed, rows = read(tmp_path)
    assert rows == expected_rows(items)
    assert [Path(name).name for name in observed.summary.skipped] == ["README"]
    assert not observed.broken


def test_linked_files_are_read_once(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "rows").write_bytes(parquet(table()))
    (tmp_path / "real" / "again").symlink_to("rows")
    (tmp_path / "real" / "loop").symlink_to(tmp_path / "real", target_is_directory=True)
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    _, rows = read(tmp_path / "link")
    assert rows == expected_rows()


def test_broken_link_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows").symlink_to("nowhere")
    with pytest.raises(InputError, match="link to a file that does not exist"):
        read(tmp_path)


@pytest.mark.parametrize("pack", ["parquet", "gzip"])
def test_hive_partitions_name_data_centre_and_hour(tmp_path: Path, pack: str) -> None:
    hour = tmp_path / "datacenter=codfw" / "year=2025" / "month=01" / "day=31" / "hour=15"
    hour.mkdir(parents=True)
    items = events()
    content = parquet(table(items)) if pack == "parquet" else gzip.compress(lines(items))
    (hour / "000000_0").write_bytes(content)
    observed, rows = read(tmp_path)
    assert {row["datacenter"] for row in rows} == {"codfw"}
    assert observed.misplaced == {("2025-01-31T15", "2025-01-31T14"): len(items)}


@pytest.mark.parametrize(
    ("marker", "format_"),
    [
        (".hoodie/hoodie.properties", "Hudi"),
        ("_spark_metadata/0", "Spark stream"),
        ("delta_0000001_0000001_0000/bucket_00000", "Hive ACID"),
    ],
)
def test_other_table_formats_are_refused_by_name(tmp_path: Path, marker: str, format_: str) -> None:
    (tmp_path / marker).parent.mkdir(parents=True)
    (tmp_path / marker).write_bytes(b"x")
    (tmp_path / "part-0.parquet").write_bytes(parquet(table()))
    with pytest.raises(InputError, match=f"a table of {format_}, which is not read"):
        read(tmp_path)
    with pytest.raises(InputError, match="is inside"):
        read(tmp_path / "part-0.parquet")


def test_table_inside_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "inner" / ".hoodie").mkdir(parents=True)
    (tmp_path / "part-0.parquet").write_bytes(parquet(table()))
    with pytest.raises(InputError, match="is a table of Hudi"):
        read(tmp_path)


def test_delta_table_is_read_as_it_is_now(tmp_path: Path) -> None:
    deltalake = pytest.importorskip("deltalake")
    items = events()
    other = [{**item, "meta": {**item["meta"], "id": f"other-{n}"}} for n, item in enumerate(items[:5])]
    deltalake.write_deltalake(tmp_path / "t", table(other))
    deltalake.write_deltalake(tmp_path / "t", table(items), mode="overwrite")
    assert len(list((tmp_path / "t").glob("*.parquet"))) == 2
    observed, rows = read(tmp_path / "t")
    assert rows == expected_rows(items)
    assert observed.summary.sources[0].format == "Delta table"


def test_iceberg_table_is_read_as_it_is_now(tmp_path: Path) -> None:
    catalogues = pytest.importorskip("pyiceberg.catalog.memory")
    catalogue = catalogues.InMemoryCatalog("test", warehouse=f"file://{tmp_path}")
    catalogue.create_namespace("event")
    items = events()
    rows = table(items)
    iceberg = catalogue.create_table("event.rows", rows.schema)
    iceberg.append(rows.slice(0, 9))
    iceberg.overwrite(rows)
    [folder] = [path.parent for path in tmp_path.rglob("metadata")]
    observed, text = read(folder)
    assert text == expected_rows(items)
    assert observed.summary.sources[0].format == "Iceberg table"


def test_iceberg_files_elsewhere_are_not_fetched(tmp_path: Path) -> None:
    catalogues = pytest.importorskip("pyiceberg.catalog.memory")
    catalogue = catalogues.InMemoryCatalog("test", warehouse=f"file://{tmp_path}")
    catalogue.create_namespace("event")
    rows = table()
    catalogue.create_table("event.rows", rows.schema).append(rows)
    [folder] = [path.parent for path in tmp_path.rglob("metadata")]
    for path in (folder / "metadata").glob("*.metadata.json"):
        path.write_text(path.read_text().replace("file://", "hdfs://127.0.0.1:1"))
    with pytest.raises(InputError, match="which is not on this machine"):
        read(folder)


def test_delta_table_without_its_reader_is_refused(tmp_path: Path) -> None:
    (tmp_path / "_delta_log").mkdir()
    (tmp_path / "part-0.parquet").write_bytes(parquet(table()))
    with pytest.raises(InputError, match="a table of Delta"):
        read(tmp_path)
