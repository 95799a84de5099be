"""The sentences for people are those of the snapshot."""

from pathlib import Path

from tests.wording import lines


def test_sentences_match_snapshot() -> None:
    snapshot = Path(__file__).with_name("wording.txt").read_text(encoding="utf-8")
    assert "\n".join(lines()) + "\n" == snapshot, "regenerate: python -m tests.wording > tests/wording.txt"
