"""Filters of events by a field."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import DogfoodError
from dogfood.watch.event_filter import matching, parse_filter
from dogfood.watch.stream_tail import line_of

EVENT = {"action": "click", "meta": {"domain": "x=y", "n": 3}, "ok": True, "none": None, "enrolled": ["a", "b"]}


@pytest.mark.parametrize(
    "text", ["action=click", "action!=view", "meta.domain=x=y", "meta.n=3", "ok=true", "none=null", "enrolled=b",
             "no.such!=1", "action.deeper!=x", "enrolled!=c"]
)  # fmt: skip
def test_equal_values_match(text: str) -> None:
    assert parse_filter(text).matches(EVENT)


@pytest.mark.parametrize("text", ["action=clic", "action!=click", "meta.n=3.0", "no.such=1", "enrolled!=a", "meta="])
def test_different_values_do_not_match(text: str) -> None:
    assert not parse_filter(text).matches(EVENT)


def test_all_filters_have_to_match() -> None:
    assert matching([], EVENT)
    assert not matching([parse_filter("action=click"), parse_filter("ok=false")], EVENT)


@pytest.mark.parametrize("text", ["", "x", "=x", "!=x", "a..b=1", ".=1"])
def test_invalid_filter_is_refused(text: str) -> None:
    with pytest.raises(DogfoodError, match="has to be field=value"):
        parse_filter(text)


@given(st.dictionaries(st.text(st.characters(exclude_characters="=!."), min_size=1), st.text()), st.text())
def test_field_equals_only_its_value(event: dict[str, str], other: str) -> None:
    for name, value in event.items():
        assert parse_filter(f"{name}={value}").matches(event)
        assert parse_filter(f"{name}={other}").matches(event) == (value == other)
        assert parse_filter(f"{name}!={other}").matches(event) == (value != other)


NAMES = st.sampled_from(["meta", "dt", "experiments", "assigned", "experiment", "page", "title", "performer"])
JSON = st.recursive(
    st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=10
)


@given(st.dictionaries(st.sampled_from(["meta", "action", "experiments", "experiment", "page", "raw_event"]), JSON))
def test_any_event_is_one_line_without_controls(event: dict[str, object]) -> None:
    # Characters that Unicode has not assigned yet are not printable for Python, and harmless.
    assert not {unicodedata.category(char) for char in line_of(event)} & {"Cc", "Cs", "Zl", "Zp"}
