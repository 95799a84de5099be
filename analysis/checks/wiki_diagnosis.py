"""Diagnosis of wrong pages of the wiki: the layer at fault, from what those pages have in common.

Pure functions of counts and of small tuples; `analysis.checks.wiki` gathers them.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from analysis.statistics import shorter, unlike
from analysis.verdict import ALPHA, Layer

#: Share of the accounts without a group on one page that have it on another, from which the configs of pages differ.
_FLICKERS = 0.25

#: Least accounts on either side of a pattern: all of one group, none of the others.
PATTERN_SUBJECTS = 2

_MORE_ACCOUNTS = (
    f"with {PATTERN_SUBJECTS} accounts or more in each group the layer would be exposure, so add accounts to the run"
)


class Apart(Enum):
    """Whether one group is affected and the others are not. TOO_FEW: the pattern is there, with too few accounts."""

    YES = "yes"
    TOO_FEW = "too few"
    NO = "no"


class ReportedEnrolment(NamedTuple):
    """Group that one page view showed to its account.

    Attributes:
        user_id: user id of the account.
        group: group on the page; None without one.
        expected: group by the contract.
        fits: whether the subject id on the page is the contract's.
        forced: whether the page marks the group as chosen by an override.
    """

    user_id: int
    group: str | None
    expected: str | None
    fits: bool = True
    forced: bool = False

    @property
    def is_wrong(self) -> bool:
        """Whether the page differs from the contract."""
        return self.group != self.expected or not self.fits


class Diagnosis(NamedTuple):
    """Layer at fault, and where to look."""

    layer: Layer
    where: str


def diagnose_assignment(pages: Sequence[ReportedEnrolment]) -> Diagnosis:
    """Return the layer at fault for *pages*, of which some showed another group than the contract's.

    - No page showed a group: the wiki does not have the experiment.
    - All wrong pages are of accounts with an override.
    - Enrolments are missing and no group is wrong: when the accounts were enrolled on other pages, the configs differ
      between pages; when they are of one group, that group meets something that the other does not.
    - Otherwise the assignment itself differs.
    """
    wrong = [page for page in pages if page.is_wrong]
    if not any(page.group for page in pages):
        return Diagnosis(
            Layer.CONFIG, "no page enrolled anybody, so check whether the wiki gets the experiment from MPIC"
        )
    if all(page.forced for page in wrong):
        return Diagnosis(Layer.EXPOSURE, "each has an override, so look at links and cookies with `mpo`")
    if all(page.group is None for page in wrong):
        missing = {page.user_id for page in wrong}
        several = {page.user_id for page in pages if page.group is not None} & missing
        if len(several) >= max(1.0, _FLICKERS * len(missing)):
            return Diagnosis(
                Layer.CONFIG,
                f"{len(several):,} of them were enrolled on other pages, so the configs of pages differ. Look at what "
                "caches MPIC's response",
            )
        counts = _missing_by_group(pages)
        apart = _apart(counts, counts)
        if apart is Apart.YES:
            return Diagnosis(
                Layer.EXPOSURE,
                f"{_by_group(counts)} were shown no group. Look for a condition that only one group has to meet",
            )
        more = f". {_by_group(counts)} were shown none: {_MORE_ACCOUNTS}" if apart is Apart.TOO_FEW else ""
        return Diagnosis(Layer.ASSIGNMENT, f"they were shown none, so look at the sample rate that the wiki uses{more}")
    return Diagnosis(Layer.ASSIGNMENT, "look at what the wiki hashes, and at the experiment's groups and rate there")


class ExpectedEvents(NamedTuple):
    """Events that one page view should send, and the number that did not leave for the intake.

    Attributes:
        group: group of its account, by the contract.
        due: number of events that it should send.
        missing: number of those that did not leave.
        seen: number of the missing that the page itself saw leave.
        stayed_ms: time that the reader stayed, milliseconds; negative when unknown.
        subject: number of the account, the same in all its page views.
    """

    group: str
    due: int
    missing: int
    seen: int
    stayed_ms: int
    subject: int


def diagnose_missing(views: Sequence[ExpectedEvents]) -> Diagnosis:
    """Return the layer at fault for events that page views should have sent and that never left for the intake.

    - One group's page views miss more than the others': that group meets something that the others do not. Few accounts
      cannot show that in a significance test, so a pattern decides: all page views of one group, none of the others.
    - The pages saw the events leave: they went to another address.
    - Only page views that readers left soon miss events: they were lost on leaving.
    - Otherwise the instrument did not send them.
    """
    short = [view for view in views if view.missing]
    counts = _hit_by_group(views)
    apart = _apart(counts, _subjects_by_group(views))
    if apart is Apart.YES:
        return Diagnosis(
            Layer.EXPOSURE,
            f"{_by_group(counts)} page views lack some. Look for what one group meets and the other does not",
        )
    seen = sum(view.seen for view in short)
    if seen:
        return Diagnosis(
            Layer.TRANSPORT,
            f"the pages themselves saw {seen:,} of them leave, so look at the address that beacons go to",
        )
    timed = [view for view in views if view.stayed_ms >= 0]
    stays = [[view.stayed_ms for view in timed if bool(view.missing) is missing] for missing in (True, False)]
    if shorter(*stays) < ALPHA:
        longest = max(stays[0]) / 1000
        return Diagnosis(
            Layer.TRANSPORT,
            f"readers of those pages left within {longest:.1f} s, and page views of longer stays miss none. Look at "
            "what is sent when a reader leaves",
        )
    if apart is Apart.TOO_FEW:
        return Diagnosis(
            Layer.INSTRUMENT, f"look at the instrument. {_by_group(counts)} page views lack some: {_MORE_ACCOUNTS}"
        )
    return Diagnosis(Layer.INSTRUMENT, "look at the instrument")


def _apart(counts: Mapping[str, tuple[int, int]], subjects: Mapping[str, tuple[int, int]]) -> Apart:
    """Return whether one group is affected and the others are not.

    Args:
        counts: of each group, the number of page views or accounts affected, and the total.
        subjects: the same in accounts; decides whether a group has enough of them.
    """
    if unlike(list(counts.values())) < ALPHA:
        return Apart.YES
    whole = [group for group, (hit, total) in counts.items() if hit == total]
    spared = [group for group, (hit, _) in counts.items() if not hit]
    if not whole or not spared or len(whole) + len(spared) < len(counts):
        return Apart.NO
    enough = all(sum(subjects[group][1] for group in groups) >= PATTERN_SUBJECTS for groups in (whole, spared))
    return Apart.YES if enough else Apart.TOO_FEW


def _missing_by_group(pages: Sequence[ReportedEnrolment]) -> dict[str, tuple[int, int]]:
    """Return, for each group, the number of accounts that were shown no group, and the total."""
    accounts: dict[str, set[int]] = {}
    without: dict[str, set[int]] = {}
    for page in pages:
        if page.expected is not None:
            accounts.setdefault(page.expected, set()).add(page.user_id)
            without.setdefault(page.expected, set()).update([page.user_id] if page.group is None else [])
    return {group: (len(without[group]), len(members)) for group, members in sorted(accounts.items())}


def _hit_by_group(views: Sequence[ExpectedEvents]) -> dict[str, tuple[int, int]]:
    counts: dict[str, tuple[int, int]] = {}
    for view in views:
        hit, total = counts.get(view.group, (0, 0))
        counts[view.group] = hit + bool(view.missing), total + 1
    return dict(sorted(counts.items()))


def _subjects_by_group(views: Sequence[ExpectedEvents]) -> dict[str, tuple[int, int]]:
    """Return, for each group, the number of accounts that lack an event, and the total."""
    groups = {view.group for view in views}
    hit = {group: {view.subject for view in views if view.group == group and view.missing} for group in groups}
    every = {group: {view.subject for view in views if view.group == group} for group in groups}
    return {group: (len(hit[group]), len(every[group])) for group in sorted(groups)}


def _by_group(counts: Mapping[str, tuple[int, int]]) -> str:
    return " and ".join(f"{hit:,} of {total:,} of group {group!r}" for group, (hit, total) in counts.items())
