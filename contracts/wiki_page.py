"""Read the configuration that a wiki page passes to its JavaScript: the `RLCONF` object in its HTML."""

from collections.abc import Mapping

import orjson

from common.errors import DogfoodError

_MARK = "RLCONF="
_END = "};"


class PageError(DogfoodError):
    """A page has no configuration: it is not a wiki page, or the wiki failed."""


def page_config(html: str) -> Mapping[str, object]:
    """Return the JavaScript configuration in a page's HTML. Raises PageError."""
    start = html.find(_MARK)
    if start < 0:
        raise PageError("the page has no RLCONF: it is not a page of MediaWiki, or the wiki failed")
    end = start
    # An end mark may also occur in a string; the right one is the first that completes an object.
    while (end := html.find(_END, end + 1)) >= 0:
        try:
            content: object = orjson.loads(html[start + len(_MARK) : end + 1])
        except orjson.JSONDecodeError:
            continue
        if isinstance(content, dict):
            return content
    raise PageError("the page's RLCONF is not a JSON object: is the wiki in debug mode?")


def page_experiments(config: Mapping[str, object]) -> Mapping[str, object]:
    """Return the user's experiments in a page's configuration; PHP writes an empty object as a list."""
    experiments = config.get("wgMetricsPlatformUserExperiments")
    return experiments if isinstance(experiments, Mapping) else {}
