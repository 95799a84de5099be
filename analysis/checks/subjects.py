"""What the landed subjects as a whole say of the assignment: one group each, in the sample, hashes spread evenly."""

from collections.abc import Iterable, Mapping
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from analysis.run_model.load import Evidence
from analysis.statistics import independence_test, uniformity_test
from analysis.verdict import ALPHA, CheckResult, CheckStatus, Layer
from contracts.assignment import HASH_SPACE, assign_many
from contracts.configs import ConfigError, Experiment, parse_experiment
from contracts.profiles import PLACEHOLDER
from run_record.page_views import page_group

_EXAMPLES = 5

#: Fewer subjects than this do not fill the bins of the test of uniformity.
_MIN_HASHES = 256

#: Dependence shows in far fewer subjects than this; hashing more of them, for every pair, would only take time.
_MOST_USERS = 200_000

#: Likewise, hashes beyond this many add nothing to the test of uniformity.
_MOST_HASHES = 1_000_000

#: As many events of one subject, and as large a share of all, as no reader makes: the ids are not filled in.
_MOST_EVENTS, _MOST_SHARE = 100, 0.25


def check_stickiness(evidence: Evidence) -> CheckResult:
    """Find subjects that were seen in more than one group: on the wiki's pages, on the wire, in the table."""
    told = _split(_told_groups(evidence))
    sent, landed = (
        evidence.engine.ask("subjects_in_two_groups", subjects=table) for table in ("subjects_sent", "subjects_landed")
    )
    subjects = evidence.landed_subjects["subjects"]
    split = landed or sent or told
    detail = {
        "subjects": subjects,
        "in_several_groups": {"pages": len(told), "sent": len(sent), "landed": len(landed)},
        "examples": split[:_EXAMPLES],
    }
    if not subjects and not split:
        why = "No landed event names its subject, so nobody can be followed."
        return CheckResult("stickiness", Layer.ASSIGNMENT, CheckStatus.INCONCLUSIVE, why, matters=False)
    if not split:
        summary = f"Each of {subjects:,} subjects is in one group throughout."
        return CheckResult("stickiness", Layer.ASSIGNMENT, CheckStatus.PASS, summary, 0, threshold=0, evidence=detail)
    before = bool(sent or told)
    where = (
        "look at what the wiki hashes, and at changes of the experiment's groups"
        if before
        else "though each was sent in one: look between the intake and the table"
    )
    share = f" ({len(landed) / subjects:.2%})" if landed and subjects else ""
    summary = f"{len(split):,} subjects{share} are in more than one group, {where}."
    layer = Layer.ASSIGNMENT if before else Layer.TABLE
    return CheckResult("stickiness", layer, CheckStatus.FAIL, summary, len(split), threshold=0, evidence=detail)


def check_sampled_out(evidence: Evidence) -> CheckResult:
    """Find subjects that the contract leaves out of the sample and that have events of the experiment all the same."""
    subjects, outside = evidence.landed_subjects["subjects"], evidence.landed_subjects["outside"]
    sent = evidence.sent_subjects["outside"] > 0
    examples = [
        row["subject"] for row in evidence.engine.ask("outside_sample", {"most": _EXAMPLES}, subjects="subjects_landed")
    ]
    detail = {"subjects": subjects, "outside": outside, "examples": examples}
    if not subjects:
        why = "No landed event names its subject, so the sample is not known."
        return CheckResult("sampled-out", Layer.ASSIGNMENT, CheckStatus.INCONCLUSIVE, why, matters=False)
    if not outside:
        summary = "Nobody who is outside the sample has events of the experiment."
        return CheckResult("sampled-out", Layer.ASSIGNMENT, CheckStatus.PASS, summary, 0, threshold=0, evidence=detail)
    layer = Layer.ASSIGNMENT if sent else Layer.TABLE
    where = "look at the rate that the wiki uses" if sent else "though nothing of theirs was sent: look at the table"
    summary = f"{outside:,} subjects that are outside the sample have events of the experiment: {where}."
    return CheckResult("sampled-out", layer, CheckStatus.FAIL, summary, outside, threshold=0, evidence=detail)


def check_uniformity(evidence: Evidence) -> CheckResult:
    """Test whether the hashes of the landed subjects are spread evenly over the part of the space that is sampled.

    A group takes the low part of its slice of the hash space; where in it a subject lies is uniform whatever the rate.
    """
    hashes = _places(evidence)
    rate = evidence.plan.rate
    if len(hashes) < _MIN_HASHES:
        why = f"{len(hashes):,} subjects are too few to say how their hashes are spread."
        return CheckResult("uniformity", Layer.ASSIGNMENT, CheckStatus.INCONCLUSIVE, why, matters=False)
    space = max(2, int(np.ceil(rate * HASH_SPACE)))
    bins = min(64, max(2, len(hashes) // 16))
    found = uniformity_test(np.minimum(hashes, space - 1), space, bins)
    p_value = min(1.0, 2 * min(found.chi_square_p, found.distance_p))
    detail = {"subjects": len(hashes), "bins": bins, **found._asdict()}
    if p_value >= ALPHA:
        summary = f"The hashes of {len(hashes):,} subjects are spread evenly (p = {p_value:.3f})."
        return CheckResult(
            "uniformity", Layer.ASSIGNMENT, CheckStatus.PASS, summary, found.chi_square, p_value, ALPHA, detail
        )
    summary = (
        f"The hashes of {len(hashes):,} subjects are not spread evenly (p = {p_value:.2g}): part of the hash space is "
        "missing. Look for what removes subjects by their id."
    )
    return CheckResult(
        "uniformity", Layer.ASSIGNMENT, CheckStatus.FAIL, summary, found.chi_square, p_value, ALPHA, detail
    )


def check_independence(evidence: Evidence) -> CheckResult:
    """Test every pair of this and the other active experiments: does the group in one tell the group in the other?

    The run's subjects are put into both by the contract, and the cross table is tested (G-test). Nothing separates id
    and name in what is hashed, so names that begin with a digit can have another experiment's subjects: user 1 of
    `23-x` is where user 12 of `3-x` is. Such pairs are tested on the ids that meet.
    """
    users = evidence.participants.account_id
    users = np.unique(users[users > 0][:_MOST_USERS])
    experiments = [evidence.plan.experiment, *_others(evidence)]
    found = [_pair(evidence, users, one, other) for one, other in combinations(experiments, 2)]
    wrong = [pair for pair in found if float(str(pair["p_value"])) < ALPHA / max(len(found), 1)]
    detail = {"experiments": len(experiments), "pairs": found[:20]}
    if not found:
        summary = "No other experiment is active, so none can depend on it."
        return CheckResult("independence", Layer.ASSIGNMENT, CheckStatus.PASS, summary, evidence=detail)
    least = min(float(str(pair["p_value"])) for pair in found)
    if not wrong:
        summary = (
            f"The groups of {len(experiments)} active experiments are independent, pair by pair (smallest p = "
            f"{least:.3f})."
        )
        return CheckResult("independence", Layer.ASSIGNMENT, CheckStatus.PASS, summary, None, least, ALPHA, detail)
    first = wrong[0]
    why = (
        f"user 1 of {first['one']!r} has the hash of user 1{first['digits']} of {first['other']!r}: rename one of them"
        if first["digits"]
        else "look at what the two hash"
    )
    summary = (
        f"The groups of {first['one']!r} and {first['other']!r} depend on each other (G = "
        f"{first['statistic']:.4g}): {why}."
    )
    return CheckResult("independence", Layer.ASSIGNMENT, CheckStatus.FAIL, summary, None, least, ALPHA, detail)


def check_subject_ids(evidence: Evidence) -> CheckResult:
    """Look whether subject ids are ids: filled in, of the right form, and as many as there are readers."""
    counts = evidence.landed_subjects
    total = counts["events"]
    detail: dict[str, object] = {
        "subjects": counts["subjects"],
        "events": total,
        "events_without_subject": counts["nameless_events"],
    }
    if not total:
        why = "No event of the experiment landed, so there are no subjects."
        return CheckResult("subject-ids", Layer.INSTRUMENT, CheckStatus.INCONCLUSIVE, why, matters=False)
    odd = {str(row["subject"]): row for row in evidence.engine.ask("malformed_subject_ids")}
    heavy = next(iter(evidence.engine.ask("most_frequent_subject")), {"events": 0, "sent_events": 0})
    most, meant = int(str(heavy["events"])), int(str(heavy["sent_events"]))
    crowded = most >= _MOST_EVENTS and most > _MOST_SHARE * total and most > 3 * meant
    as_sent = any(row["sent_events"] for row in odd.values()) or (crowded and meant > 0)
    layer = Layer.INSTRUMENT if as_sent else Layer.TABLE
    detail |= {"no_ids": list(odd)[:_EXAMPLES], "most_events_of_one_subject": most}
    if PLACEHOLDER in odd:
        summary = (
            f"{odd[PLACEHOLDER]['events']:,} of {total:,} events call their subject {PLACEHOLDER!r}: the client sent "
            "them before it knew the subject id."
        )
        return CheckResult(
            "subject-ids", Layer.INSTRUMENT, CheckStatus.FAIL, summary, len(odd), threshold=0, evidence=detail
        )
    if odd or crowded:
        what = (
            f"{len(odd):,} subject ids are no ids (such as {next(iter(odd))!r})"
            if odd
            else f"one subject has {most:,} of {total:,} events"
        )
        summary = f"{what[0].upper()}{what[1:]}: look at what fills in the subject."
        return CheckResult("subject-ids", layer, CheckStatus.FAIL, summary, len(odd), threshold=0, evidence=detail)
    summary = f"{counts['subjects']:,} subjects have {total:,} events, and every id has the form of one."
    return CheckResult("subject-ids", Layer.INSTRUMENT, CheckStatus.PASS, summary, 0, threshold=0, evidence=detail)


def _split(pairs: Iterable[tuple[str, str]]) -> list[dict[str, object]]:
    """Return the subjects with more than one group, as `sql/queries/subjects_in_two_groups.sql` does for rows."""
    groups: dict[str, set[str]] = {}
    for subject, group in pairs:
        groups.setdefault(subject, set()).add(group)
    return [
        {"subject": subject, "groups_seen": len(names), "one": min(names), "other": max(names)}
        for subject, names in groups.items()
        if len(names) > 1
    ]


def _told_groups(evidence: Evidence) -> list[tuple[str, str]]:
    """Return each account and the group that a page told it, of pages of scenarios that change nothing."""
    experiment = evidence.plan.experiment
    names = {account.visit: account.name for account in evidence.roster}
    told = []
    for view in evidence.page_views:
        group = page_group(view.told, evidence.manifest.generation, experiment.name, experiment.features[0].name)
        if group is not None and not view.failure:
            told.append((names[view.visit], group))
    return told


def _places(evidence: Evidence) -> NDArray[np.int64]:
    """Return where in its group's slice of the hash space each landed subject lies, 0 to 2^24 - 1.

    Subjects outside the sample have no place; those that were chosen for their group are no sample.
    """
    people = evidence.participants
    landed = np.zeros(len(people.group), np.bool_)
    columns = evidence.engine.columns("visit_stages")
    landed[columns["visit"][columns["landed"]]] = True
    mine = np.flatnonzero(landed & people.in_sample & ~people.chosen)[:_MOST_HASHES]
    experiment = evidence.plan.experiment
    found = assign_many(
        evidence.manifest.generation, people.account_id[mine], experiment.name, experiment.groups, evidence.plan.rate
    )
    scaled = found.hash24.astype(np.int64) * max(1, len(experiment.groups))
    return scaled % HASH_SPACE


def _others(evidence: Evidence) -> list[Experiment]:
    """Return the other experiments that were active when the run began; configs that make no sense are left out."""
    found = []
    for config in evidence.manifest.other_experiments:
        try:
            found.append(parse_experiment(evidence.manifest.generation, config))
        except ConfigError:
            continue
    return [item for item in found if item.name != evidence.plan.experiment.name]


def _pair(evidence: Evidence, users: NDArray[np.int64], one: Experiment, other: Experiment) -> Mapping[str, object]:
    """Return the test of one pair of experiments; for names that meet, on the ids that do."""
    digits = _shared_digits(one.name, other.name)
    if digits is None and (swapped := _shared_digits(other.name, one.name)) is not None:
        one, other, digits = other, one, swapped
    ids = users
    if digits:
        ids = users[users < (2**63 - 1) // 10 ** len(digits) - 1]
        ids = ids if len(ids) else np.arange(1, 1001, dtype=np.int64)
    met = ids * 10 ** len(digits) + int(digits) if digits else ids
    generation = evidence.manifest.generation
    # Everybody is put into a group, so that those in both samples need not be many.
    rows = assign_many(generation, ids, one.name, one.groups, 1.0).group
    columns = assign_many(generation, met, other.name, other.groups, 1.0).group
    table = np.zeros((len(one.groups), len(other.groups)), np.int64)
    np.add.at(table, (rows, columns), 1)
    found = independence_test(table)
    return {
        "one": one.name, "other": other.name, "digits": digits or "", "subjects": len(ids),
        "statistic": found.statistic, "p_value": found.p_value,
    }  # fmt: skip


def _shared_digits(longer: str, shorter: str) -> str | None:
    """Return the digits that *longer* has before *shorter*, when both begin with a digit; else None."""
    before = longer.removesuffix(shorter)
    meets = before != longer and before.isdecimal() and before.isascii() and shorter[:1].isdecimal()
    return before if meets else None
