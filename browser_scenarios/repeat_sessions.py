"""Decides whether more sessions are needed to show that only one group lacks events."""

from collections.abc import Sequence
from typing import NamedTuple

#: Accounts per group that the check `instrument` needs to name the group at fault (docs/reference/checks.md).
ENOUGH_ACCOUNTS = 2


class PlayedView(NamedTuple):
    """One page view that should have sent events.

    Attributes:
        group: group of the account.
        account: local user id of the account.
        lacks: whether an expected event is missing.
    """

    group: str
    account: int
    lacks: bool


def accounts_wanted(views: Sequence[PlayedView]) -> dict[str, int]:
    """Return the number of additional accounts of each group; empty without the pattern, or with enough accounts.

    The pattern: all page views of one group lack events, and no page view of another group does.
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
