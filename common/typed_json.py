"""Decode JSON files into types; errors name the path, line, field, reason and fix in one line.

`msgspec` checks the types, and its errors become a `DogfoodError`. A type of rows is derived from the fields of a
dataclass or named tuple (`row_type`), so nothing is declared twice.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar, cast, get_type_hints

import msgspec

from common.errors import DogfoodError

T = TypeVar("T")

#: A time in milliseconds since 1970, until the year 2096.
TimestampMs = Annotated[int, msgspec.Meta(ge=0, le=4_000_000_000_000)]

#: A count, or an index.
NonNegative = Annotated[int, msgspec.Meta(ge=0, le=2**53)]

_RESTORE_OR_RERUN = "restore the file, or make the run again"

#: An error message of msgspec: the reason and the path of the field.
_MESSAGE = re.compile(r"(?P<why>.*?)(?: - at `(?P<at>[^`]*)`)?", re.DOTALL)


class DamagedFileError(DogfoodError):
    """A file that the kit wrote has other content than it should."""

    page = "docs/guide/troubleshooting.md"


@dataclass(frozen=True, slots=True)
class Origin:
    """The source of content, and how its faults are reported.

    Attributes:
        path: path of the file.
        error: class of the error; a subclass of `DogfoodError`.
        fix: what the user can do.
        secret: whether the content may hold a password; errors then never quote it.
    """

    path: Path
    error: type[DogfoodError] = DamagedFileError
    fix: str = _RESTORE_OR_RERUN
    secret: bool = False

    def fault(self, why: str, *, line: int = 0, field: str = "") -> DogfoodError:
        """Return the error for content that is unusable for the reason *why*."""
        where = [str(self.path), *([f"line {line}"] if line else []), *([field] if field else [])]
        return self.error(f"{', '.join(where)}: {why}; {self.fix}")


class Reader(Generic[T]):
    """Decodes one type of content.

    Args:
        kind: a standard type, a dataclass, a named tuple, or a `msgspec.Struct`.
        keys: the JSON keys of fields whose key is not their name.
    """

    def __init__(self, kind: type[T], keys: Mapping[str, str] | None = None) -> None:
        self._kind = kind
        self._is_record = _has_fields(kind)
        self._decoder = msgspec.json.Decoder(row_type(kind, keys) if self._is_record else kind)

    def read(self, content: bytes, origin: Origin, *, line: int = 0) -> T:
        """Return *content* decoded. Raises the origin's error."""
        try:
            value = self._decoder.decode(content)
        except (msgspec.DecodeError, RecursionError, ValueError) as error:
            raise _fault(error, origin, line) from None
        return self._finish(value)

    def rows(self, content: bytes, origin: Origin) -> Iterator[T]:
        """Yield each line of *content* decoded; empty lines are skipped. Raises the origin's error."""
        for number, line in enumerate(content.split(b"\n"), start=1):
            if line.strip():
                yield self.read(line, origin, line=number)

    def file(self, origin: Origin) -> T:
        """Return the file decoded. Raises FileNotFoundError, or the origin's error."""
        return self.read(content_of(origin), origin)

    def _finish(self, value: Any) -> T:  # noqa: ANN401 (output of the decoder)
        if not self._is_record:
            return cast(T, value)
        return self._kind(**{name: getattr(value, name) for name in value.__struct_fields__})


def content_of(origin: Origin) -> bytes:
    """Return the bytes of the file. Raises FileNotFoundError when it is missing, otherwise the origin's error."""
    try:
        return origin.path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise origin.fault(f"it cannot be read: {error.strerror}") from error


def convert(value: object, kind: type[T], origin: Origin, *, line: int = 0) -> T:
    """Return *value*, the output of a JSON parser, as *kind*. Raises the origin's error."""
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise _fault(error, origin, line) from None


def row_type(kind: type, keys: Mapping[str, str] | None = None) -> type[msgspec.Struct]:
    """Return the type of a JSON object with the fields of *kind*, a dataclass or a named tuple, and no others.

    *keys* has the JSON keys of fields whose key is not their name.
    """
    hints = get_type_hints(kind, include_extras=True)
    return msgspec.defstruct(
        kind.__name__, [_field(name, hints[name], defaults) for name, defaults in _defaults(kind)],
        forbid_unknown_fields=True, kw_only=True, rename=keys,
    )  # fmt: skip


def _has_fields(kind: type) -> bool:
    return is_dataclass(kind) or hasattr(kind, "_field_defaults")


def _defaults(kind: type) -> Iterable[tuple[str, tuple[Any, ...]]]:
    if is_dataclass(kind):
        for item in fields(kind):
            if item.default is not MISSING:
                yield item.name, (item.default,)
            elif item.default_factory is not MISSING:
                yield item.name, (msgspec.field(default_factory=item.default_factory),)
            else:
                yield item.name, ()
        return
    for name in kind._fields:  # type: ignore[attr-defined]
        defaults = kind._field_defaults  # type: ignore[attr-defined]
        yield name, (defaults[name],) if name in defaults else ()


def _field(name: str, hint: Any, default: tuple[Any, ...]) -> Any:  # noqa: ANN401 (as defstruct takes them)
    return (name, hint, *default)


def _fault(error: Exception, origin: Origin, line: int) -> DogfoodError:
    if isinstance(error, RecursionError):
        return origin.fault("it is nested too deeply", line=line)
    match = _MESSAGE.fullmatch(str(error))
    why, at = (match["why"], match["at"] or "") if match else (str(error), "")
    if origin.secret:
        why = "it is not a row of this file"
    elif not isinstance(error, msgspec.ValidationError):
        why = f"it is not JSON ({why})"
    return origin.fault(why[:1].lower() + why[1:], line=line, field=at.removeprefix("$").removeprefix("."))
