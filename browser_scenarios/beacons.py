"""Bodies of the beacons that a page sent."""

from collections.abc import Sequence

import orjson


def count_actions(bodies: Sequence[bytes], pageview_id: str) -> dict[str, int]:
    """Return the number of events of each action of a page view in *bodies*; other bodies are skipped."""
    counts: dict[str, int] = {}
    for body in bodies:
        try:
            content = orjson.loads(body)
        except orjson.JSONDecodeError:
            continue
        for event in content if isinstance(content, list) else [content]:
            if isinstance(event, dict) and event.get("performer", {}).get("pageview_id") == pageview_id:
                action = str(event.get("action", ""))
                counts[action] = counts.get(action, 0) + 1
    return counts
