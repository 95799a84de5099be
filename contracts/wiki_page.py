"""What a page of the wiki tells its JavaScript: the `RLCONF` object in its HTML."""

from collections.abc import Mapping

import orjson

from common.errors import DogfoodError

_MARK = "RLCONF="
_END = "};"


class PageError(DogfoodError):
    """A page without configuration: it is not the wiki's, or the wiki failed."""


def page_config(html: str) -> Mapping[str, object]:
    """Return what the page with this HTML tells its JavaScript. Raises PageError."""
    start = html.find(_MARK)
    if start < 0:
        raise PageError("the page has no RLCONF: it is not a page of MediaWiki, or the wiki failed")
    end = start
    # An object's end may also stand inside a text; the first end that makes a whole object is the right one.
    while (end := html.find(_END, end + 1)) >= 0:
        try:
            content: object = orjson.loads(html[start + len(_MARK) : end + 1])
        except orjson.JSONDecodeError:
            continue
        if isinstance(content, dict):
            return content
    raise PageError("the page's RLCONF is no JSON object: is the wiki in debug mode?")


def page_experiments(config: Mapping[str, object]) -> Mapping[str, object]:
    """Return what a page was told of its user's experiments; PHP writes an empty object as a list."""
    told = config.get("wgMetricsPlatformUserExperiments")
    return told if isinstance(told, Mapping) else {}
