"""When the kit plays more accounts, so that it can name the layer."""

import pytest

from browser_scenarios.repeat_sessions import PlayedView, accounts_wanted


def views(*rows: tuple[str, int, bool]) -> list[PlayedView]:
    return [PlayedView(*row) for row in rows]


def test_one_account_per_group_needs_one_more() -> None:
    played = views(("control", 1, True), ("control", 1, True), ("treatment", 2, False))
    assert accounts_wanted(played) == {"control": 1, "treatment": 1}


@pytest.mark.parametrize(
    "played",
    [
        views(),
        views(("control", 1, False), ("treatment", 2, False)),
        views(("control", 1, True), ("treatment", 2, True)),
        views(("control", 1, True), ("control", 1, False), ("treatment", 2, False)),
        views(("control", 1, True), ("control", 2, True), ("treatment", 3, False), ("treatment", 4, False)),
    ],
)
def test_no_pattern_needs_no_more_accounts(played: list[PlayedView]) -> None:
    assert accounts_wanted(played) == {}
