"""Which layer is at fault when pages of the wiki do not say or do what they should: from what the pages have in common.

Pure functions of counts and of small tuples; `analysis.checks.wiki` gathers them.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from analysis.statistics import shorter, unlike
from analysis.verdict import ALPHA, Layer

#: Of accounts that were told nothing on a page, so large a share was told their group on another: configs differ.
_FLICKERS = 0.25


#: So many accounts on either side make a pattern: all of one group, none of the others.
PATTERN_SUBJECTS = 2

_MORE_ACCOUNTS = (
    f"with {PATTERN_SUBJECTS} accounts or more in each group the layer would be exposure, so let more accounts visit"
)


class Apart(Enum):
    """Whether one group is hit and the others are not; TOO_FEW: it looks so, of too few accounts."""

    YES = "yes"
    TOO_FEW = "too few"
    NO = "no"


class ReportedEnrolment(NamedTuple):
    """What one page view told its user.

    Attributes:
        user_id: of the account.
        group: that it told; None is none.
        expected: group by the contract.
        fits: whether the subject id that it told is the contract's.
        forced: whether it told that the group was chosen by hand.
    """

    user_id: int
    group: str | None
    expected: str | None
    fits: bool = True
    forced: bool = False

    @property
    def is_wrong(self) -> bool:
        """Whether it told anything else than the contract."""
        return self.group != self.expected or not self.fits


class Diagnosis(NamedTuple):
    """A layer, and where to look."""

    layer: Layer
    where: str


def diagnose_assignment(pages: Sequence[ReportedEnrolment]) -> Diagnosis:
    """Return who is to blame for *pages* of which some told another group than the contract.

    - Nobody was told any group: the wiki does not have the experiment.
    - Wrong pages are all of accounts that chose their group by hand.
    - Enrolments are missing and none is wrong: of accounts that were enrolled on other pages, the configs differ
      between pages; in one group only, that group meets something that the other does not.
    - Else the assignment itself is another.
    """
    wrong = [page for page in pages if page.is_wrong]
    if not any(page.group for page in pages):
        return Diagnosis(Layer.CONFIG, "no page enrolled anybody: look whether the wiki gets the experiment from MPIC")
    if all(page.forced for page in wrong):
        return Diagnosis(
            Layer.EXPOSURE, "each of them chose the group by an override: look at links and cookies with `mpo`"
        )
    if all(page.group is None for page in wrong):
        missing = {page.user_id for page in wrong}
        several = {page.user_id for page in pages if page.group is not None} & missing
        if len(several) >= max(1.0, _FLICKERS * len(missing)):
            return Diagnosis(
                Layer.CONFIG,
                f"{len(several):,} of them were enrolled on other pages, so pages differ in the config that they see: "
                "look at what caches MPIC's answer",
            )
        counts = _missing_by_group(pages)
        apart = _apart(counts, counts)
        if apart is Apart.YES:
            return Diagnosis(
                Layer.EXPOSURE,
                f"{_by_group(counts)} were told nothing: look for a condition that only one group has to meet",
            )
        more = f". {_by_group(counts)} were: {_MORE_ACCOUNTS}" if apart is Apart.TOO_FEW else ""
        return Diagnosis(Layer.ASSIGNMENT, f"they were told nothing: look at the sample rate that the wiki uses{more}")
    return Diagnosis(Layer.ASSIGNMENT, "look at what the wiki hashes, and at the experiment's groups and rate there")


class ExpectedEvents(NamedTuple):
    """What one page view owed, and what of it left for the intake.

    Attributes:
        group: of its user, by the contract.
        owed: events.
        missing: of them.
        seen: of the missing, those that the page itself saw leave.
        stayed_ms: how long the reader stayed; negative when that is not known.
        subject: number of the user, the same in all of one user's page views.
    """

    group: str
    owed: int
    missing: int
    seen: int
    stayed_ms: int
    subject: int


def diagnose_missing(views: Sequence[ExpectedEvents]) -> Diagnosis:
    """Return who is to blame for events that page views owed and that never left for the intake.

    - One group's page views miss more than the others': it meets something that the others do not. Few accounts cannot
      show that by a test of chance, so there the pattern itself does: all page views of one group, none of the others'.
    - The pages saw them leave: they went elsewhere.
    - Page views that were left soon miss them, those of readers who stayed do not: they were lost on leaving.
    - Else the instrument did not make them.
    """
    short = [view for view in views if view.missing]
    counts = _hit_by_group(views)
    apart = _apart(counts, _subjects_by_group(views))
    if apart is Apart.YES:
        return Diagnosis(
            Layer.EXPOSURE,
            f"{_by_group(counts)} page views lack some: look for what one group meets and the other does not",
        )
    seen = sum(view.seen for view in short)
    if seen:
        return Diagnosis(
            Layer.TRANSPORT,
            f"the pages themselves saw {seen:,} of them leave: look at the address that beacons go to",
        )
    timed = [view for view in views if view.stayed_ms >= 0]
    stays = [[view.stayed_ms for view in timed if bool(view.missing) is missing] for missing in (True, False)]
    if shorter(*stays) < ALPHA:
        longest = max(stays[0]) / 1000
        return Diagnosis(
            Layer.TRANSPORT,
            f"readers of those pages had left within {longest:.1f} s, and those who stayed longer miss nothing: "
            "look at what is sent when a page is left",
        )
    if apart is Apart.TOO_FEW:
        return Diagnosis(
            Layer.INSTRUMENT, f"look at the instrument. {_by_group(counts)} page views lack some: {_MORE_ACCOUNTS}"
        )
    return Diagnosis(Layer.INSTRUMENT, "look at the instrument")


def _apart(counts: Mapping[str, tuple[int, int]], subjects: Mapping[str, tuple[int, int]]) -> Apart:
    """Return whether one group is hit and the others are not.

    Args:
        counts: of each group, how many page views or accounts are hit, and how many there are.
        subjects: the same in accounts; only whether a group has enough of them is looked at.
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
    """Return of each group how many accounts were told nothing, and how many there are."""
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
    """Return of each group how many accounts lack an event, and how many there are."""
    groups = {view.group for view in views}
    hit = {group: {view.subject for view in views if view.group == group and view.missing} for group in groups}
    every = {group: {view.subject for view in views if view.group == group} for group in groups}
    return {group: (len(hit[group]), len(every[group])) for group in sorted(groups)}


def _by_group(counts: Mapping[str, tuple[int, int]]) -> str:
    return " and ".join(f"{hit:,} of {total:,} of group {group!r}" for group, (hit, total) in counts.items())
