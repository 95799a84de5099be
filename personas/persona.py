"""Personas, read from the TOML files in `personas/catalogue/`."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeVar

from common.errors import DogfoodError

FOLDER = Path(__file__).resolve().parent / "catalogue"

_SCALARS = ("description", "weight", "skin", "platform", "groups", "bot")
_TABLES = ("locales", "edit_counts", "sessions", "page_views", "times_ms", "account_age_days", "scroll_depth")
_PLATFORMS = ("desktop_browser", "mobile_browser")

T = TypeVar("T")


class PersonaError(DogfoodError):
    """A persona file cannot be read or is invalid. The message names the file and the field."""

    page = "docs/design/extending.md"


@dataclass(frozen=True, slots=True)
class Persona:
    """One type of subject.

    Attributes:
        name: name of the file without `.toml`.
        weight: share of all subjects, relative to the other personas.
        skin, platform: MediaWiki skin; `desktop_browser` or `mobile_browser`.
        groups: user groups beyond `*`, `user` and `autoconfirmed`.
        bot: whether the account has the bot right.
        locales: (interface language, weight).
        edit_counts: (lowest, highest, weight).
        sessions: (number of browser sessions in the run, weight).
        page_views: (number of page views in a session, weight).
        see, react, dwell, away: quantiles in milliseconds; see the comments in the files.
        account_age_days, scroll_depth: quantiles, in days and in percent.
        control, treatment: probability of a click on an element in view, in millionths.
    """

    name: str
    description: str
    weight: int
    skin: str
    platform: str
    groups: tuple[str, ...]
    bot: bool
    locales: tuple[tuple[str, int], ...]
    edit_counts: tuple[tuple[int, int, int], ...]
    sessions: tuple[tuple[int, int], ...]
    page_views: tuple[tuple[int, int], ...]
    see: tuple[int, ...]
    react: tuple[int, ...]
    dwell: tuple[int, ...]
    away: tuple[int, ...]
    account_age_days: tuple[int, ...]
    scroll_depth: tuple[int, ...]
    control: int
    treatment: int


def load_personas(folder: Path = FOLDER) -> tuple[Persona, ...]:
    """Return the personas of *folder*, ordered by name.

    Raises:
        PersonaError: a file is not TOML or is invalid, or the folder has no files.
    """
    personas = tuple(_read(path) for path in sorted(folder.glob("*.toml")))
    if not personas:
        raise PersonaError(f"no personas in {folder}: it has to hold one TOML file per persona")
    return personas


def _read(path: Path) -> Persona:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PersonaError(f"{path} cannot be read as TOML: {error}") from error
    return _Reader(path, content).persona()


class _Reader:
    """Converts the content of one file to a persona; errors name the invalid field."""

    def __init__(self, path: Path, content: Mapping[str, object]) -> None:
        self._path = path
        self._content = content

    def persona(self) -> Persona:
        known = {*_SCALARS, *_TABLES, "click_propensity"}
        for key in self._content:
            if key not in known:
                self._fail(key, "is not a field of a persona")
        probabilities = self._table("click_propensity")
        times = self._table("times_ms")
        return Persona(
            name=self._path.stem,
            description=self._scalar("description", str),
            weight=self._scalar("weight", int, lambda value: value > 0, "a whole number above 0"),
            skin=self._scalar("skin", str, bool, "the name of a skin"),
            platform=self._scalar("platform", str, _PLATFORMS.__contains__, f"one of {', '.join(_PLATFORMS)}"),
            groups=self._groups(),
            bot=self._scalar("bot", bool),
            locales=tuple(self._weights("locales", str)),
            edit_counts=tuple((*bounds, weight) for bounds, weight in self._weights("edit_counts", _bounds)),
            sessions=tuple(self._weights("sessions", _at_least_one)),
            page_views=tuple(self._weights("page_views", _at_least_one)),
            see=self._quantiles("times_ms.see", times.get("see"), 0),
            react=self._quantiles("times_ms.react", times.get("react"), 1),
            dwell=self._quantiles("times_ms.dwell", times.get("dwell"), 1),
            away=self._quantiles("times_ms.away", times.get("away"), 1),
            account_age_days=self._quantiles("account_age_days", self._table("account_age_days").get("quantiles"), 0),
            scroll_depth=self._quantiles("scroll_depth", self._table("scroll_depth").get("quantiles"), 0, 100),
            control=self._probability(probabilities, "control"),
            treatment=self._probability(probabilities, "treatment"),
        )

    def _fail(self, field: str, why: str) -> NoReturn:
        raise PersonaError(f"{self._path}: {field} {why}")

    def _scalar(self, field: str, kind: type[T], valid: Callable[[T], object] = lambda _: True, form: str = "") -> T:
        value = self._content.get(field)
        if type(value) is not kind or not valid(value):
            self._fail(field, f"has to be {form or f'a {kind.__name__}'}, not {value!r}")
        return value

    def _groups(self) -> tuple[str, ...]:
        groups = self._scalar("groups", list)
        if not all(isinstance(group, str) and group for group in groups):
            self._fail("groups", "has to be a list of names of user groups")
        return tuple(groups)

    def _table(self, field: str) -> Mapping[str, object]:
        value = self._content.get(field)
        if not isinstance(value, dict) or not value:
            self._fail(field, "is missing or empty")
        return value

    def _weights(self, field: str, read: Callable[[str], T]) -> list[tuple[T, int]]:
        pairs = []
        for key, weight in self._table(field).items():
            if type(weight) is not int or weight <= 0:
                self._fail(f"{field}.{key}", f"has to be a whole number above 0, not {weight!r}")
            try:
                pairs.append((read(key), weight))
            except ValueError as error:
                self._fail(f"{field}.{key}", str(error))
        return pairs

    def _quantiles(self, field: str, value: object, lowest: int, highest: int = 2**31 - 1) -> tuple[int, ...]:
        valid = isinstance(value, list) and len(value) >= 2 and all(type(item) is int for item in value)
        if not valid or not isinstance(value, list):
            self._fail(field, "has to be a list of at least two whole numbers")
        if sorted(value) != value or value[0] < lowest or value[-1] > highest:
            self._fail(field, f"has to rise from at least {lowest} to at most {highest}, not {value}")
        return tuple(value)

    def _probability(self, table: Mapping[str, object], group: str) -> int:
        value = table.get(group)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            self._fail(f"click_propensity.{group}", f"has to be a number between 0 and 1, not {value!r}")
        return round(value * 1_000_000)


def _at_least_one(text: str) -> int:
    value = int(text) if text.isdecimal() else 0
    if not 1 <= value <= 64:
        raise ValueError("has to be a whole number from 1 to 64")
    return value


def _bounds(text: str) -> tuple[int, int]:
    low, dash, high = text.partition("-")
    if not (dash and low.isdecimal() and high.isdecimal() and int(low) <= int(high) < 2**31):
        raise ValueError('has to be "lowest-highest", such as "1-4"')
    return int(low), int(high)
