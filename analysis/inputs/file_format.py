"""Detection of compression, archive, encoding and format from a file's content, never from its name."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Generator, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import pyarrow as pa

from analysis.inputs.errors import InputError

#: Bytes at the beginning of a file that identify its format; tar's mark is at 257.
_SAMPLE = 4096

#: Maximum depth of nested compressions and archives.
_MAX_DEPTH = 5

_ENCODINGS: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xfe\x00\x00", "utf-32"), (b"\x00\x00\xfe\xff", "utf-32"), (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"),
)  # fmt: skip

#: Unsupported formats: first bytes, name and remedy.
_UNSUPPORTED: tuple[tuple[bytes, str, str], ...] = (
    (b"ORC", "ORC", "export Parquet or NDJSON"),
    (b"Obj\x01", "Avro", "export Parquet or NDJSON"),
    (b"PARE", "encrypted Parquet", "decrypt it first"),
    (b"SEQ\x06", "a Hadoop sequence file", "export Parquet or NDJSON"),
    (b"SQLite format 3\x00", "an SQLite database", "export its table as CSV or NDJSON"),
    (b"\x89HDF", "HDF5", "export Parquet or NDJSON"),
    (b"%PDF", "PDF", "export Parquet or NDJSON"),
    (b"\xff\x06\x00\x00sNaPpY", "a snappy stream", "decompress it first"),
    (b"\x89LZO", "LZO", "decompress it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it first"),
    (b"Rar!", "a RAR archive", "unpack it first"),
    (b"\x1f\x9d", "a file of compress (.Z)", "decompress it first"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "save it as CSV"),
    (b"-----BEGIN PGP", "encrypted", "decrypt it first"),
    (b"version https://git-lfs", "a Git LFS pointer", "fetch the file itself"),
)

_DUCKDB_AT, _DUCKDB = 8, b"DUCK"


class Content(NamedTuple):
    """The uncompressed content of a file, or of one member of an archive.

    Attributes:
        name: name of the file, and of the archive's member.
        layers: compressions and archives around the content, from the outside: `("gzip",)`.
        format: `parquet`, `arrow` or `text`.
        stream: the content, from its beginning.
        path: path of the file, if no compression or archive is around the content.
        encoding: encoding of a text.
    """

    name: str
    layers: tuple[str, ...]
    format: str
    stream: BinaryIO
    path: Path | None
    encoding: str = ""


def contents_of(path: Path, stream: BinaryIO | None = None) -> Generator[Content, None, None]:
    """Yield the content of the file *path*, or of each file in an archive; nothing for an empty file.

    Args:
        path: path of the file, also for messages.
        stream: its content, if it can be read only once.

    Raises:
        InputError: the file cannot be read, is damaged, or has an unsupported format.
    """
    try:
        opened = stream if stream is not None else path.open("rb")
        with opened, _buffered(opened) as buffered:
            yield from _unpacked(str(path), (), buffered, path if stream is None else None)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


def damaged(name: str, layers: tuple[str, ...], error: BaseException) -> InputError:
    """Return the error for a compressed file that ends early or is corrupted."""
    layer = layers[-1] if layers else "file"
    return InputError(f"{name} is damaged: its {layer} stream cannot be read to the end ({error}); copy it again")


#: Errors that readers of compressed streams raise.
DAMAGE = (EOFError, gzip.BadGzipFile, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError, OSError, ValueError)


def _buffered(stream: BinaryIO) -> io.BufferedReader:
    return io.BufferedReader(cast(io.RawIOBase, stream), 1 << 16)


def _unpacked(name: str, layers: tuple[str, ...], stream: io.BufferedReader, path: Path | None) -> Iterator[Content]:
    try:
        head = stream.peek(_SAMPLE)[:_SAMPLE]
    except DAMAGE as error:
        raise damaged(name, layers, error) from error
    if not head:
        return
    if len(layers) > _MAX_DEPTH:
        raise InputError(f"{name} is compressed more than {_MAX_DEPTH} times; unpack it first")
    _refuse(name, head)
    for magic, layer, opener in _COMPRESSIONS:
        if head.startswith(magic):
            inner = _buffered(opener(stream))
            yield from _unpacked(name, (*layers, layer), inner, None)
            return
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")) or head[257:262] == b"ustar":
        yield from _members(name, layers, stream, head)
        return
    if head.startswith((b"PAR1", b"ARROW1\x00\x00")):
        format_ = "parquet" if head.startswith(b"PAR1") else "arrow"
        yield Content(name, layers, format_, stream, path)
        return
    yield Content(name, layers, "text", stream, path, _encoding(name, head))


def _zstd(stream: io.BufferedReader) -> BinaryIO:
    return cast(BinaryIO, pa.CompressedInputStream(pa.PythonFile(stream, "r"), "zstd"))


def _lz4(stream: io.BufferedReader) -> BinaryIO:
    return cast(BinaryIO, pa.CompressedInputStream(pa.PythonFile(stream, "r"), "lz4"))


_COMPRESSIONS: tuple[tuple[bytes, str, Callable[[io.BufferedReader], BinaryIO]], ...] = (
    (b"\x1f\x8b", "gzip", lambda stream: cast(BinaryIO, gzip.GzipFile(fileobj=stream, mode="rb"))),
    (b"BZh", "bzip2", lambda stream: cast(BinaryIO, bz2.BZ2File(stream))),
    (b"\xfd7zXZ\x00", "xz", lambda stream: cast(BinaryIO, lzma.LZMAFile(stream))),  # noqa: SIM115 (closed with its file)
    (b"\x28\xb5\x2f\xfd", "zstd", _zstd),
    (b"\x04\x22\x4d\x18", "lz4", _lz4),
)


def _members(name: str, layers: tuple[str, ...], stream: io.BufferedReader, head: bytes) -> Iterator[Content]:
    """Yield the files of an archive, without hidden ones."""
    content = io.BytesIO(stream.read())
    archive: Mapping[str, Callable[[], object]]
    if head.startswith(b"PK"):
        layer = "zip"
        zipped = zipfile.ZipFile(content)
        names = {info.filename for info in zipped.infolist() if not info.is_dir()}
        if any(member == "[Content_Types].xml" for member in names):
            raise InputError(f"{name} is an Office document (Excel?), which is not read; save it as CSV")
        if any(info.flag_bits & 1 for info in zipped.infolist()):
            raise InputError(f"{name} is an encrypted zip archive; unpack it first")
        archive = {member: partial(zipped.open, member) for member in sorted(names)}
    else:
        layer = "tar"
        tarred = tarfile.open(fileobj=content)  # noqa: SIM115 (closed with its bytes)
        files = [info for info in tarred if info.isfile()]
        archive = {info.name: partial(tarred.extractfile, info) for info in files}
    for member, opener in archive.items():
        if not hidden(Path(member)):
            yield from _unpacked(f"{name}/{member}", (*layers, layer), _buffered(cast(BinaryIO, opener())), None)


def hidden(path: Path) -> bool:
    """Return whether a relative *path* is not data: `_SUCCESS`, `.crc`, `_temporary/...`, `__MACOSX/...`."""
    return any(part.startswith(("_", ".")) for part in path.parts)


def _refuse(name: str, head: bytes) -> None:
    for magic, format_name, remedy in _UNSUPPORTED:
        if head.startswith(magic):
            raise InputError(f"{name} is {format_name}, which is not read; {remedy}")
    if head[_DUCKDB_AT : _DUCKDB_AT + 4] == _DUCKDB:
        raise InputError(f"{name} is a DuckDB database, which is not read; export its table as Parquet")
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:100].lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise InputError(f"{name} is HTML or XML, not events; was a log-in or an error page saved?")


def _encoding(name: str, head: bytes) -> str:
    """Return the encoding of a text. Raises InputError for binary content."""
    for mark, encoding in _ENCODINGS:
        if head.startswith(mark):
            return encoding
    start = head[:64]
    if len(start) >= 4 and 2 * start.count(0) >= len(start) - 1:
        return "utf-16-le" if start[1] == 0 else "utf-16-be"
    control_characters = sum(byte < 32 and byte not in b"\t\n\r\x0b\x0c\x1b\x1e" for byte in head)
    if control_characters > len(head) // 20:
        shown = " ".join(f"{byte:02x}" for byte in head[:8])
        raise InputError(f"{name} is of an unknown binary format (it begins with {shown}); export Parquet or NDJSON")
    return "utf-8"
