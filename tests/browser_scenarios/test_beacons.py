"""Bodies that a page sent are read as events, or not at all."""

import pytest

from browser_scenarios.beacons import count_actions, local_user_id, pageview_id, read_events

CLICK = b'{"action": "click", "performer": {"id": 7, "pageview_id": "a"}}'


@pytest.mark.parametrize(("body", "events"), [(CLICK, 1), (b"[" + CLICK + b"," + CLICK + b"]", 2)])
def test_objects_and_arrays_of_objects_are_events(body: bytes, events: int) -> None:
    assert len(read_events(body) or ()) == events
    assert count_actions([body, b"not JSON"], "a") == {"click": events}
    assert count_actions([body], "b") == {}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b'[{"action": "click"}, 1]'])
def test_other_content_is_not_an_event(body: bytes) -> None:
    assert read_events(body) is None


@pytest.mark.parametrize("performer", ["text", None, ["a"], {"id": "7"}])
def test_a_malformed_performer_has_no_ids(performer: object) -> None:
    event = {"action": "click", "performer": performer}
    assert (pageview_id(event), local_user_id(event)) == ("", 0)
    assert count_actions([b'{"action": "click", "performer": "text"}'], "a") == {}
