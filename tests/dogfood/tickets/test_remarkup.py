"""Paragraphs on one line, everything else as it was."""

from hypothesis import given
from hypothesis import strategies as st

from dogfood.tickets.remarkup import unwrapped


def test_paragraphs_and_items_are_joined() -> None:
    wrapped = (
        "One\ntwo.\n\n## Head\nthree\n\n- [ ] four\n  five\n- [x] six\n1. seven\n\n```\na\nb\n```\nafter\n| a |\n| b |"
    )
    assert unwrapped(wrapped) == (
        "One two.\n\n## Head\nthree\n\n- [ ] four five\n- [x] six\n1. seven\n\n```\na\nb\n```\nafter\n| a |\n| b |"
    )


@given(st.lists(st.sampled_from(["word", "- item", "## head", "", "```", "  more", "| a |", "> said"])))
def test_no_word_is_lost_and_twice_is_once(lines: list[str]) -> None:
    text = "\n".join(lines)
    assert unwrapped(text).split() == text.split()
    assert unwrapped(unwrapped(text)) == unwrapped(text)
