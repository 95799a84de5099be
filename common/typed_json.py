"""Reading a file's JSON as a type: one line that names path, line, field, what is wrong, and what to do.

`msgspec` checks the types; what it says becomes a `DogfoodError`. The types are those of the dataclasses and named
tuples themselves: a type of rows is made from their fields (`row_type`), so that nothing is written down twice.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar, cast, get_type_hints

import msgspec

from common.errors import DogfoodError

T = TypeVar("T")

#: A moment, milliseconds since 1970, until the year 2096.
Moment = Annotated[int, msgspec.Meta(ge=0, le=4_000_000_000_000)]

#: A number of things, or the number of one.
Whole = Annotated[int, msgspec.Meta(ge=0, le=2**53)]

_RESTORE = "restore the file, or make the run again"

#: What msgspec says, and the path to the field that it says it of.
_SAID = re.compile(r"(?P<why>.*?)(?: - at `(?P<at>[^`]*)`)?", re.DOTALL)


class DamagedFileError(DogfoodError):
    """A file of the kit's own that does not hold what it has to."""

    page = "docs/guide/troubleshooting.md"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where content is from, for the one line that says what is wrong with it.

    Attributes:
        path: of the file.
        error: class of the error; a subclass of `DogfoodError`.
        fix: what the user can do.
        secret: the content may hold a password, so the line says where the fault is, and not what is there.
    """

    path: Path
    error: type[DogfoodError] = DamagedFileError
    fix: str = _RESTORE
    secret: bool = False

    def fault(self, why: str, *, line: int = 0, field: str = "") -> DogfoodError:
        """Return the error that says *why* the content cannot be used."""
        where = [str(self.path), *([f"line {line}"] if line else []), *([field] if field else [])]
        return self.error(f"{', '.join(where)}: {why}; {self.fix}")


class Reader(Generic[T]):
    """Reads one type of content.

    Args:
        kind: a type of the standard library's, a dataclass, a named tuple, or a Struct of msgspec's.
    """

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind
        self._made = _has_fields(kind)
        self._decoder = msgspec.json.Decoder(row_type(kind) if self._made else kind)

    def read(self, content: bytes, origin: Origin, *, line: int = 0) -> T:
        """Return what *content* holds. Raises the origin's error."""
        try:
            value = self._decoder.decode(content)
        except (msgspec.DecodeError, RecursionError, ValueError) as error:
            raise _fault(error, origin, line) from None
        return self._finish(value)

    def rows(self, content: bytes, origin: Origin) -> Iterator[T]:
        """Yield what each line of *content* holds; empty lines are passed over. Raises the origin's error."""
        for number, line in enumerate(content.split(b"\n"), start=1):
            if line.strip():
                yield self.read(line, origin, line=number)

    def file(self, origin: Origin) -> T:
        """Return what the file holds. Raises FileNotFoundError, or the origin's error."""
        return self.read(content_of(origin), origin)

    def _finish(self, value: Any) -> T:  # noqa: ANN401 (what the decoder made)
        if not self._made:
            return cast(T, value)
        return self._kind(**{name: getattr(value, name) for name in value.__struct_fields__})


def content_of(origin: Origin) -> bytes:
    """Return the bytes of the file. Raises FileNotFoundError where it is missing, else the origin's error."""
    try:
        return origin.path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise origin.fault(f"it cannot be read: {error.strerror}") from error


def convert(value: object, kind: type[T], origin: Origin, *, line: int = 0) -> T:
    """Return *value*, which a JSON parser made, as *kind*. Raises the origin's error."""
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise _fault(error, origin, line) from None


def row_type(kind: type) -> type[msgspec.Struct]:
    """Return the type of a JSON object with the fields of *kind*, a dataclass or a named tuple, and no others."""
    hints = get_type_hints(kind, include_extras=True)
    return msgspec.defstruct(
        kind.__name__, [_field(name, hints[name], defaults) for name, defaults in _defaults(kind)],
        forbid_unknown_fields=True, kw_only=True,
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
    said = _SAID.fullmatch(str(error))
    why, at = (said["why"], said["at"] or "") if said else (str(error), "")
    if origin.secret:
        why = "it is not a row of this file"
    elif not isinstance(error, msgspec.ValidationError):
        why = f"it is not JSON ({why})"
    return origin.fault(why[:1].lower() + why[1:], line=line, field=at.removeprefix("$").removeprefix("."))
