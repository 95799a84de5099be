"""The population: subjects, computed in blocks, each a pure function of (seed, index)."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import chain
from typing import NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from personas.persona import Persona, PersonaError
from personas.rng import BLOCK, below, choose, quantile, raw, raw_of_blocks, thresholds

_SUBJECT, _SEED = 1, 2  # purposes, see `personas.rng.raw`
_FIELDS = 8

#: Number of words for the identity: persona, and the gaps before the local and the central id.
_IDENTITY_WORDS = 3


class Pools(NamedTuple):
    """Names of users and titles of pages, by interface language."""

    names: dict[str, list[str]]
    titles: dict[str, list[str]]


@cache
def pools() -> Pools:
    """Return the pools in `pools.json` (`personas.make_name_pools`)."""
    content = orjson.loads((files("personas") / "pools.json").read_bytes())
    return Pools(content["names"], content["titles"])


class Identities(NamedTuple):
    """The first columns of `Subjects`."""

    index: NDArray[np.int64]  # type: ignore[assignment]  # tuple has a method of that name
    user_id: NDArray[np.int64]
    central_id: NDArray[np.int64]
    persona: NDArray[np.int64]


class Subjects(NamedTuple):
    """Columns of subjects, of equal length.

    Attributes:
        index: int64; index in the population.
        user_id: int64; the wiki's local id, unique.
        central_id: int64; the id across wikis, unique.
        persona: int64; index into `Population.personas`.
        locale: int64; index into the persona's locales.
        name: int64; index into the language's pool of names.
        edit_count: int64.
        account_age_s: int64; age of the account at the run's epoch, in seconds.
    """

    index: NDArray[np.int64]  # type: ignore[assignment]  # tuple has a method of that name
    user_id: NDArray[np.int64]
    central_id: NDArray[np.int64]
    persona: NDArray[np.int64]
    locale: NDArray[np.int64]
    name: NDArray[np.int64]
    edit_count: NDArray[np.int64]
    account_age_s: NDArray[np.int64]


@dataclass(frozen=True)
class Population:
    """*size* subjects, the same for the same seed and personas.

    A larger population with the same seed begins with the same subjects.
    """

    seed: int
    size: int
    personas: tuple[Persona, ...]

    def blocks(self, first: int, count: int) -> Subjects:
        """Return the subjects of *count* blocks from number *first* on, always BLOCK of each, even beyond *size*."""
        words = raw_of_blocks(self.seed, _SUBJECT, first, [(_FIELDS, BLOCK)] * count)
        index = np.arange(first * BLOCK, (first + count) * BLOCK, dtype=np.int64)
        identities = self._identities(index, words[:_IDENTITY_WORDS])
        columns = np.zeros((4, len(index)), dtype=np.int64)
        for position, item in enumerate(self.personas):
            rows = identities.persona == position
            columns[:, rows] = _traits(item, words[_IDENTITY_WORDS:, rows])
        return Subjects(
            *identities,
            locale=columns[0],
            name=columns[1],
            edit_count=columns[2],
            account_age_s=columns[3],
        )

    def subjects(self, first: int, count: int) -> Subjects:
        """Return up to *count* subjects from *first* on."""
        end = min(first + count, self.size)
        if end <= first:
            return Subjects(*(np.zeros(0, np.int64) for _ in Subjects._fields))
        begin = first // BLOCK
        subjects = self.blocks(begin, -(-end // BLOCK) - begin)
        return Subjects(*(column[first - begin * BLOCK :][: end - first] for column in subjects))

    def identities(self, first: int, count: int) -> Identities:
        """Return the identities of up to *count* subjects from *first* on, as in `subjects`."""
        end = min(first + count, self.size)
        numbers = range(first // BLOCK, -(-end // BLOCK)) if end > first else range(0)
        words = [raw(self.seed, _SUBJECT, number, (_IDENTITY_WORDS, BLOCK)) for number in numbers]
        index = np.arange(first, max(first, end), dtype=np.int64)
        all_words = np.concatenate([np.zeros((_IDENTITY_WORDS, 0), np.uint64), *words], axis=1)
        return self._identities(index, all_words[:, first % BLOCK :][:, : len(index)])

    def _identities(self, index: NDArray[np.int64], words: NDArray[np.uint64]) -> Identities:
        """Return the identities of the subjects *index*, by the first rows of their random *words*."""
        local_base, central_base = below(raw(self.seed, _SEED, 0, (2,)), 1_000_000_000)
        return Identities(
            index=index,
            # Ids rise with gaps, as on a wiki; steps of three and seven keep them unique.
            user_id=1_000 + local_base + 3 * index + below(words[1], 3),
            central_id=50_000_000 + central_base + 7 * index + below(words[2], 7),
            persona=choose(words[0], thresholds([item.weight for item in self.personas])),
        )

    def user_names(self, subjects: Subjects) -> Iterator[str]:
        """Yield the unique user name of each of *subjects*: a name in the persona's language and a number."""
        for index, persona, locale, name in zip(*(subjects[i].tolist() for i in (0, 3, 4, 5)), strict=True):
            language = self.personas[persona].locales[locale][0]
            yield f"{pools().names[language][name]} {index + 1}"


def _traits(persona: Persona, words: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return locale, name, edit count and account age (rows) of subjects by their random *words* (columns)."""
    locale = choose(words[0], thresholds([weight for _, weight in persona.locales]))
    sizes = np.array([len(pools().names[language]) for language, _ in persona.locales], dtype=np.int64)
    bounds = np.array([(low, high) for low, high, _ in persona.edit_counts], dtype=np.int64)
    row = choose(words[2], thresholds([weight for *_, weight in persona.edit_counts]))
    low, high = bounds[row, 0], bounds[row, 1]
    edits = low + below(words[3], high - low + 1)
    days = quantile(words[4], [day * 86_400 for day in persona.account_age_days])
    return np.stack([locale, below(words[1], sizes[locale]), edits, days])


def languages(personas: tuple[Persona, ...]) -> set[str]:
    """Return the interface languages of *personas*.

    Raises:
        PersonaError: there are no names and titles in one of them.
    """
    for persona in personas:
        for language, _ in persona.locales:
            if language not in pools().names:
                raise PersonaError(
                    f"{persona.name}.toml: locales.{language} has no pool of names "
                    f"(there are {', '.join(sorted(pools().names))}): add it to personas/make_name_pools.py"
                )
    return set(chain.from_iterable((language for language, _ in item.locales) for item in personas))


def fingerprint(personas: tuple[Persona, ...]) -> str:
    """Return a short hash of *personas* and the pools, which together with the seed decide the events."""
    return hashlib.sha256(repr((personas, pools())).encode()).hexdigest()[:16]
