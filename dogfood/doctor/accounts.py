"""Checks of the test accounts: their file, and the group of each."""

import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from contracts.assignment import assign
from contracts.configs import Experiment
from contracts.profiles import profile_of
from dogfood.doctor.diagnosis import Diagnosis, fine, missing, unknown
from run_record.accounts import AccountsError, TestAccount, read_accounts

_PAGE = "docs/guide/testwiki.md"


def examine_accounts(
    path: Path,
    experiment: Experiment | None,
    wiki: str,
    name: str = "",
    log_in: Callable[[TestAccount], Iterable[Diagnosis]] = lambda _: (),
) -> Iterator[Diagnosis]:
    """Examine the file of accounts *path*, and compute the accounts' groups by the contract.

    Args:
        path: file of the accounts.
        experiment: experiment that assigns the groups; None when it is not known.
        wiki: database name, which selects the sample rate.
        name: account to show; empty to count all accounts by group.
        log_in: logs in the account *name*, if the file has it.
    """
    if not path.exists():
        yield unknown("accounts", "file", f"no file at {path}", "name one with --accounts", _PAGE)
        return
    try:
        accounts = read_accounts(path)
    except AccountsError as error:
        yield missing("accounts", "file", str(error), "write one JSON object per line and account", _PAGE)
        return
    if path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        yield missing("accounts", "file", f"{path} holds passwords and others can read it", f"chmod 600 {path}", _PAGE)
    else:
        yield fine("accounts", "file", f"{len(accounts):,} accounts in {path}")
    account = next((item for item in accounts if item.name == name), None)
    if experiment is None:
        yield unknown("accounts", "groups", "not known without the experiment")
    elif name:
        yield _one(account, experiment, wiki, name)
    else:
        yield _all(accounts, experiment, wiki)
    if account is not None:
        yield from log_in(account)


def _one(account: TestAccount | None, experiment: Experiment, wiki: str, name: str) -> Diagnosis:
    if account is None:
        return missing("accounts", "group", f"there is no account {name!r}", "name an account of the file", _PAGE)
    group = _group(account, experiment, wiki)
    outcome = f"in group {group!r} of {experiment.name}" if group else f"not in the sample of {experiment.name}"
    return fine("accounts", "group", f"{name} (user {account.user_id}) will be {outcome}")


def _all(accounts: Sequence[TestAccount], experiment: Experiment, wiki: str) -> Diagnosis:
    counts = Counter(_group(account, experiment, wiki) for account in accounts)
    summary = ", ".join(f"{counts[group]:,} in {group!r}" for group in experiment.groups)
    if empty := [group for group in experiment.groups if not counts[group]]:
        return missing(
            "accounts", "groups", f"no account will be in {', '.join(map(repr, empty))}",
            "create more accounts, or raise the rate: the group follows from the user's id", _PAGE,
        )  # fmt: skip
    return fine("accounts", "groups", f"{summary}, {counts[None]:,} not in the sample of {experiment.name}")


def _group(account: TestAccount, experiment: Experiment, wiki: str) -> str | None:
    user_id: int = getattr(account, profile_of(experiment.generation).identifier.account_id)
    rate = experiment.sample_rate.of(wiki)
    return assign(experiment.generation, user_id, experiment.name, experiment.groups, rate).group
