"""The configuration that a wiki page passes to its JavaScript."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.wiki_page import PageError, page_config, page_experiments

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_any_configuration_is_found(config: dict[str, object]) -> None:
    html = f"<script>RLCONF={json.dumps(config)};\nRLSTATE={{}};</script>"
    assert page_config(html) == config


def test_an_end_mark_in_a_string_is_skipped() -> None:
    assert page_config('RLCONF={"a":"};","b":{"c":"};"}};RLSTATE={};') == {"a": "};", "b": {"c": "};"}}


@pytest.mark.parametrize(
    ("html", "says"),
    [("", "no RLCONF"), ("<h1>Sign in</h1>", "no RLCONF"), ("RLCONF={", "not a JSON"), ("RLCONF=[];};", "not a JSON")],
)
def test_another_page_is_one_clear_line(html: str, says: str) -> None:
    with pytest.raises(PageError, match=says):
        page_config(html)


def test_an_empty_list_has_no_experiments() -> None:
    assert page_experiments({"wgMetricsPlatformUserExperiments": []}) == {}
    assert page_experiments({}) == {}
    assert page_experiments({"wgMetricsPlatformUserExperiments": {"enrolled": []}}) == {"enrolled": []}
