"""Whether few sessions leave it open if one group alone lacks events, so that a few more have to show it."""

from collections.abc import Sequence
from typing import NamedTuple

#: With so many accounts in every group, a pattern among their page views names the group (docs/reference/checks.md, instrument).
ENOUGH_ACCOUNTS = 2


class PlayedView(NamedTuple):
    """One page view that owed events.

    Attributes:
        group: of its account.
        account: the account's local user id.
        lacks: whether an event of it is missing.
    """

    group: str
    account: int
    lacks: bool


def accounts_wanted(views: Sequence[PlayedView]) -> dict[str, int]:
    """Return how many more accounts each group needs; nothing where no pattern shows, or where enough accounts show it.

    The pattern: every page view of one group lacks events, and none of another group's does.
    """
    accounts: dict[str, set[int]] = {}
    lacking: dict[str, set[bool]] = {}
    for view in views:
        accounts.setdefault(view.group, set()).add(view.account)
        lacking.setdefault(view.group, set()).add(view.lacks)
    if {frozenset(kinds) for kinds in lacking.values()} != {frozenset({True}), frozenset({False})}:
        return {}
    return {
        group: ENOUGH_ACCOUNTS - len(members) for group, members in accounts.items() if len(members) < ENOUGH_ACCOUNTS
    }
