"""Bodies of the requests that a page sent to the intake."""

from collections.abc import Mapping, Sequence

import orjson


def read_events(body: bytes) -> list[Mapping[str, object]] | None:
    """Return the events in *body*: one object, or an array of objects; None for any other content."""
    try:
        content: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    items = content if isinstance(content, list) else [content]
    events: list[Mapping[str, object]] = [event for event in items if isinstance(event, dict)]
    return events if events and len(events) == len(items) else None


def pageview_id(event: Mapping[str, object]) -> str:
    """Return the page view id in *event*; empty when missing."""
    return str(_performer(event).get("pageview_id", ""))


def local_user_id(event: Mapping[str, object]) -> int:
    """Return the local id of the user in *event*; 0 when it is missing or not a number."""
    user_id = _performer(event).get("id", 0)
    return user_id if isinstance(user_id, int) else 0


def count_actions(bodies: Sequence[bytes], of_pageview: str) -> dict[str, int]:
    """Return the number of events of each action of the page view *of_pageview* in *bodies*."""
    counts: dict[str, int] = {}
    for body in bodies:
        for event in read_events(body) or ():
            if pageview_id(event) == of_pageview:
                action = str(event.get("action", ""))
                counts[action] = counts.get(action, 0) + 1
    return counts


def _performer(event: Mapping[str, object]) -> Mapping[str, object]:
    performer = event.get("performer")
    return performer if isinstance(performer, Mapping) else {}
