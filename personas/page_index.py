"""The pages of the wiki: articles in several scripts, the main page, help and special pages."""

from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from personas.persona import Persona
from personas.population import languages, pools
from personas.rng import Raw, choose, thresholds


class Page(NamedTuple):
    """One page as the client describes it. A special page has id and revision 0 and no protection."""

    id: int
    title: str
    namespace_id: int
    namespace_name: str
    revision_id: int
    allowed_to_edit: tuple[str, ...] = ()
    allowed_to_move: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The percent-encoded path of the page on a wiki."""
        title = f"{self.namespace_name}:{self.title}" if self.namespace_name else self.title
        return "/wiki/" + quote(title.replace(" ", "_"), safe=":/")

    @property
    def is_special(self) -> bool:
        """Whether the software generates the page."""
        return self.namespace_id < 0


_COMMON = (
    (20, Page(1, "Main Page", 0, "", 1, ("sysop",), ("sysop",))),
    (4, Page(2, "Editing", 12, "Help", 2)),
    (4, Page(0, "RecentChanges", -1, "Special", 0)),
    (2, Page(0, "Watchlist", -1, "Special", 0)),
)
_ARTICLES = 70  # of 100 page views are of articles in the reader's language


@dataclass(frozen=True)
class PageIndex:
    """All pages, and the articles of each language.

    Attributes:
        pages: every page; the common ones first.
        starts: index of the first article by (persona, locale).
        counts: number of articles by (persona, locale).
    """

    pages: tuple[Page, ...]
    starts: NDArray[np.int64]
    counts: NDArray[np.int64]

    def choose(self, words: Raw, persona: NDArray[np.int64], locale: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the index of a page for each of the random *words*, for readers of that *persona* and *locale*."""
        kind = choose(words, thresholds([*(weight for weight, _ in _COMMON), _ARTICLES]))
        low = (words & np.uint64(0xFFFFFFFF)).astype(np.int64)
        article = self.starts[persona, locale] + (low * self.counts[persona, locale] >> 32)
        return np.where(kind < len(_COMMON), kind, article)


def index_pages(personas: tuple[Persona, ...]) -> PageIndex:
    """Return the pages for readers with *personas*."""
    pages = [page for _, page in _COMMON]
    ranges: dict[str, tuple[int, int]] = {}
    for language in sorted(languages(personas)):
        titles = pools().titles[language]
        ranges[language] = (len(pages), len(titles))
        first_id = len(pages) + 1
        pages += [Page(first_id + i, title, 0, "", first_id + i) for i, title in enumerate(titles)]
    widest = max(len(persona.locales) for persona in personas)
    table = np.zeros((2, len(personas), widest), dtype=np.int64)
    for row, persona in enumerate(personas):
        for column, (language, _) in enumerate(persona.locales):
            table[:, row, column] = ranges[language]
    return PageIndex(tuple(pages), table[0], table[1])
