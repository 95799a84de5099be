"""The format of an observed file follows from its content."""

import base64
import bz2
import csv
import gzip
import io
import lzma
import os
import tarfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import orjson
import pyarrow as pa
import pytest

from analysis.inputs.description import ObservedKind
from analysis.inputs.errors import InputError
from tests.analysis.inputs.samples import (
    Event,
    events,
    expected_rows,
    flat,
    hive_row,
    lines,
    parquet,
    read,
    table,
    upper,
)


def zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def tarred(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def feather(compression: str) -> bytes:
    sink = io.BytesIO()
    rows = table()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_file(sink, rows.schema, options=options) as writer:
        writer.write_table(rows)
    return sink.getvalue()


def as_csv(rows: list[Event], delimiter: str = ",", null: str = "") -> bytes:
    names = list(dict.fromkeys(name for row in rows for name in row))
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter)
    writer.writerow(names)
    for row in rows:
        writer.writerow([_cell(row.get(name), null) for name in names])
    return file.getvalue().encode()


def _cell(value: object, null: str) -> object:
    if value is None:
        return null
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def enveloped(value: Callable[[Event], object]) -> bytes:
    return lines(
        [
            {"topic": "eqiad.product_metrics.web_base", "partition": 0, "offset": n, "key": None, "value": value(event)}
            for n, event in enumerate(events())
        ]
    )


FORMATS: dict[str, tuple[Callable[[], bytes], str]] = {
    "plain": (lines, "NDJSON"),
    "gzip": (lambda: gzip.compress(lines()), "gzip NDJSON"),
    "gzip in two members": (lambda: gzip.compress(lines()[:5000]) + gzip.compress(lines()[5000:]), "gzip NDJSON"),
    "bzip2": (lambda: bz2.compress(lines()), "bzip2 NDJSON"),
    "xz": (lambda: lzma.compress(lines()), "xz NDJSON"),
    "zstd": (lambda: pa.Codec("zstd").compress(lines(), asbytes=True), "zstd NDJSON"),
    "lz4": (lambda: pa.Codec("lz4").compress(lines(), asbytes=True), "lz4 NDJSON"),
    "gzip in gzip": (lambda: gzip.compress(gzip.compress(lines())), "gzip gzip NDJSON"),
    "zip": (lambda: zipped({"a/b.json": lines(), "__MACOSX/._b": b"x", "a/_SUCCESS": b""}), "zip NDJSON"),
    "tar": (lambda: tarred({"rows/part-0": lines(), "rows/.part-0.crc": b"crc\x00"}), "gzip tar NDJSON"),
    "byte order mark": (lambda: b"\xef\xbb\xbf" + lines(), "NDJSON with a byte order mark"),
    "UTF-16": (lambda: lines().decode().encode("utf-16"), "UTF-16 NDJSON"),
    "UTF-16 without mark": (lambda: lines().decode().encode("utf-16-be"), "UTF-16-BE NDJSON"),
    "UTF-32": (lambda: lines().decode().encode("utf-32"), "UTF-32 NDJSON"),
    "CRLF": (lambda: lines().replace(b"\n", b"\r\n"), "NDJSON"),
    "CR": (lambda: lines().replace(b"\n", b"\r"), "NDJSON"),
    "blank lines": (lambda: lines().replace(b"\n", b"\n\n  \n"), "NDJSON"),
    "without last end": (lambda: lines().rstrip(b"\n"), "NDJSON"),
    "record marks": (lambda: b"".join(b"\x1e" + line + b"\n" for line in lines().splitlines()), "NDJSON"),
    "commas at ends": (lambda: lines().replace(b"\n", b",\n"), "NDJSON"),
    "JSON array": (lambda: orjson.dumps(events()), "NDJSON"),
    "JSON array, pretty": (lambda: orjson.dumps(events(), option=orjson.OPT_INDENT_2), "JSON"),
    "objects, pretty": (
        lambda: b"\n".join(orjson.dumps(event, option=orjson.OPT_INDENT_2) for event in events()),
        "JSON",
    ),
    "batches": (lambda: lines([events()[:7], events()[7:]]), "NDJSON"),
    "Elasticsearch": (lambda: orjson.dumps({"hits": {"hits": [{"_source": event} for event in events()]}}), "NDJSON"),
    "names and rows": (
        lambda: orjson.dumps(
            {
                "columns": [{"name": "_schema"}, *({"name": name} for name in table().column_names[1:])],
                "data": [[hive_row(event).get(name) for name in table().column_names] for event in events()],
            },
            option=orjson.OPT_INDENT_2,
        ),
        "JSON",
    ),
    "Kafka, objects": (lambda: enveloped(lambda event: event), "NDJSON"),
    "Kafka, text": (lambda: enveloped(lambda event: orjson.dumps(event).decode()), "NDJSON"),
    "Kafka, base64": (
        lambda: enveloped(lambda event: base64.b64encode(orjson.dumps(event)).decode()),
        "NDJSON",
    ),
    "Kafka Connect": (
        lambda: lines([{"schema": {"type": "struct", "fields": []}, "payload": event} for event in events()]),
        "NDJSON",
    ),
    "event envelope": (
        lambda: lines([{"meta": {"id": "x", "dt": "y"}, "event": event} for event in events()]),
        "NDJSON",
    ),
    "console consumer": (
        lambda: b"".join(b"CreateTime:1738333800000\tnull\t" + line + b"\n" for line in lines().splitlines()),
        "NDJSON",
    ),
    "Python literals": (lambda: b"".join(repr(event).encode() + b"\n" for event in events()), "NDJSON"),
    "SELECT * as JSON": (lambda: lines([hive_row(event) for event in events()]), "NDJSON"),
    "flattened with dots": (lambda: lines([flat(event) for event in events()]), "NDJSON"),
    "flattened with underscores": (lambda: lines([flat(hive_row(event), "_") for event in events()]), "NDJSON"),
    "upper case": (lambda: lines([upper(hive_row(event)) for event in events()]), "NDJSON"),
    "CSV": (lambda: as_csv([hive_row(event) for event in events()]), "CSV"),
    "CSV with table name": (
        lambda: as_csv([{f"product_metrics_web_base.{n}": v for n, v in hive_row(e).items()} for e in events()]),
        "CSV",
    ),
    "CSV, flattened": (lambda: as_csv([flat(hive_row(event), "_") for event in events()], null="\\N"), "CSV"),
    "TSV, gzip": (lambda: gzip.compress(as_csv([flat(e) for e in events()], "\t", "NULL")), "gzip TSV"),
    "CSV with semicolons": (lambda: as_csv([flat(event) for event in events()], ";"), "CSV with ';'"),
    "CSV in UTF-16": (lambda: as_csv([flat(e) for e in events()], "\t").decode().encode("utf-16"), "UTF-16 TSV"),
    "Parquet": (lambda: parquet(table()), "Parquet"),
    "Parquet in gzip": (lambda: gzip.compress(parquet(table())), "gzip Parquet"),
    "Arrow": (lambda: feather("zstd"), "Arrow"),
    "Parquet of Kafka": (
        lambda: parquet(pa.table({"topic": ["t"] * len(events()), "value": lines().splitlines()})),
        "Parquet",
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_format_follows_from_content(tmp_path: Path, name: str) -> None:
    content, format_ = FORMATS[name]
    path = tmp_path / "000000_0"
    path.write_bytes(content())
    observed, rows = read(path)
    assert rows == expected_rows()
    assert [source.format for source in observed.summary.sources] == [format_]
    assert sum(source.events for source in observed.summary.sources) == len(events())
    assert not observed.broken


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "truncated gzip": (lambda: gzip.compress(lines())[:-400], "damaged: its gzip stream"),
    "truncated zstd": (lambda: pa.Codec("zstd").compress(lines(), asbytes=True)[:-400], "damaged: its zstd stream"),
    "gzip and rubbish": (lambda: gzip.compress(lines()) + b"rubbish", "damaged"),
    "truncated Parquet": (lambda: parquet(table())[:-100], "damaged or cut short"),
    "truncated JSON": (lambda: orjson.dumps(events(), option=orjson.OPT_INDENT_2)[:-500], "damaged"),
    "empty": (lambda: b"", "is empty"),
    "blank": (lambda: b"\n\n", "nothing in it"),
    "ORC": (lambda: b"ORC\x08" + bytes(100), "is ORC, which is not read"),
    "Avro": (lambda: b"Obj\x01" + bytes(100), "is Avro"),
    "SQLite": (lambda: b"SQLite format 3\x00" + bytes(100), "an SQLite database"),
    "web page": (lambda: b"<!DOCTYPE html><html><body>Log in</body></html>", "HTML or XML"),
    "Excel": (lambda: zipped({"[Content_Types].xml": b"", "xl/workbook.xml": b""}), "Office document"),
    "zip of nothing": (lambda: zipped({"_SUCCESS": b""}), "is empty"),
    "rubbish": (lambda: bytes(range(256)) * 8, "unknown binary format"),
    "other objects": (lambda: lines([{"level": "info", "msg": "up"}] * 9), "'level', 'msg'"),
    "other CSV": (lambda: b"a,b\n1,2\n", "nothing in it is an event"),
    "other Parquet": (lambda: parquet(pa.table({"a": [1], "b": ["x"]})), "nothing in it is an event.*'a', 'b'"),
    "text": (lambda: b"Dear team,\nattached is the export.\n", "nothing in it is an event"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_unreadable_file_is_refused_by_name(tmp_path: Path, name: str) -> None:
    content, message = REFUSED[name]
    path = tmp_path / "rows"
    path.write_bytes(content())
    with pytest.raises(InputError, match=message) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_file_without_permission_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.ndjson"
    path.write_bytes(lines())
    path.chmod(0)
    with pytest.raises(InputError, match="Permission denied"):
        read(path)


def test_last_line_without_end_is_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "rows.ndjson"
    path.write_bytes(lines()[:-30])
    observed, rows = read(path)
    assert len(rows) == len(events()) - 1
    assert observed.summary.sources[0].cut_short


def test_pipe_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    content = gzip.compress(parquet(table()))
    writer = threading.Thread(target=path.write_bytes, args=(content,))
    writer.start()
    _, rows = read(path)
    writer.join()
    assert rows == expected_rows()


def test_stream_of_eventgate_has_canaries_and_reports(tmp_path: Path) -> None:
    canary = events()[0]
    canary["meta"] |= {"domain": "canary", "id": "c"}
    report = {"$schema": "/error/1.0.0", "meta": {"stream": "errors"}, "raw_event": "{}", "message": "'.x' no"}
    path = tmp_path / "events.ndjson"
    path.write_bytes(lines([canary, report, *events()]))
    observed, rows = read(path)
    [source] = observed.summary.sources
    assert (source.kind, source.canaries, source.reports) == (ObservedKind.STREAM, 1, 1)
    assert rows == expected_rows()
    _, rows = read(path, kind=ObservedKind.TABLE)
    assert len(rows) == len(events()) + 1


def test_summary_names_format_envelope_and_count(tmp_path: Path) -> None:
    path = tmp_path / "dump.gz"
    path.write_bytes(gzip.compress(enveloped(lambda event: event)))
    observed, _ = read(path)
    [source] = observed.summary.sources
    assert source.sentence == f"gzip NDJSON, Kafka envelope, stream, {len(events())} events"
