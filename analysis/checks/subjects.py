"""Checks of landed subjects: one group each, in the sample, even hashes, independent experiments, valid ids."""

from collections.abc import Iterable, Mapping
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from analysis.run_model.load import Evidence
from analysis.statistics import independence_test, uniformity_test
from analysis.verdict import ALPHA, CheckResult, CheckStatus, Layer
from common.sentences import agree, count_of
from contracts.assignment import HASH_SPACE, assign_many
from contracts.configs import ConfigError, Experiment, parse_experiment
from contracts.profiles import PLACEHOLDER
from run_record.page_views import page_group

_EXAMPLES = 5

#: Least subjects for the test of uniformity; fewer do not fill its bins.
_MIN_HASHES = 256

#: Most subjects that are hashed for each pair of experiments; dependence shows in far fewer.
_MOST_USERS = 200_000

#: Most hashes in the test of uniformity; more do not change its result.
_MOST_HASHES = 1_000_000

#: Number of events, and share of all events, from which one subject has more than a reader makes: an id is a constant.
_MOST_EVENTS, _MOST_SHARE = 100, 0.25


def check_stickiness(evidence: Evidence) -> CheckResult:
    """Find subjects in more than one group: on the wiki's pages, in the sent events, in the table."""
    shown = _split(_shown_groups(evidence))
    sent, landed = (
        evidence.engine.ask("subjects_in_two_groups", subjects=table) for table in ("subjects_sent", "subjects_landed")
    )
    subjects = evidence.landed_subjects["subjects"]
    split = landed or sent or shown
    detail = {
        "subjects": subjects,
        "in_several_groups": {"pages": len(shown), "sent": len(sent), "landed": len(landed)},
        "examples": split[:_EXAMPLES],
    }
    if not subjects and not split:
        reason = "No landed event names its subject, so no subject can be followed."
        return CheckResult("stickiness", Layer.ASSIGNMENT, CheckStatus.INCONCLUSIVE, reason, matters=False)
    if not split:
        summary = f"All {count_of(subjects, 'subject')} stay in one group."
        return CheckResult("stickiness", Layer.ASSIGNMENT, CheckStatus.PASS, summary, 0, threshold=0, evidence=detail)
    before = bool(sent or shown)
    where = (
        ": look at what the wiki hashes, and at changes of the experiment's groups"
        if before
        else ", though each was sent in one: look between the intake and the table"
    )
    share = f" ({len(landed) / subjects:.2%})" if landed and subjects else ""
    summary = (
        f"{count_of(len(split), 'subject')}{share} {agree(len(split), 'is', 'are')} in more than one group{where}."
    )
    layer = Layer.ASSIGNMENT if before else Layer.TABLE
    return CheckResult("stickiness", layer, CheckStatus.FAIL, summary, len(split), threshold=0, evidence=detail)


def check_sampled_out(evidence: Evidence) -> CheckResult:
    """Find subjects outside the sample, by the contract, that have events of the experiment."""
    subjects, outside = evidence.landed_subjects["subjects"], evidence.landed_subjects["outside"]
    sent = evidence.sent_subjects["outside"] > 0
    examples = [
        row["subject"] for row in evidence.engine.ask("outside_sample", {"most": _EXAMPLES}, subjects="subjects_landed")
    ]
    detail = {"subjects": subjects, "outside": outside, "examples": examples}
    if not subjects:
        reason = "No landed event names its subject, so the sample is unknown."
        return CheckResult("sampled-out", Layer.ASSIGNMENT, CheckStatus.INCONCLUSIVE, reason, matters=False)
    if not outside:
        summary = f"All {count_of(subjects, 'subject')} with events of the experiment are in the sample."
        return CheckResult("sampled-out", Layer.ASSIGNMENT, CheckStatus.PASS, summary, 0, threshold=0, evidence=detail)
    layer = Layer.ASSIGNMENT if sent else Layer.TABLE
    where = ": look at the rate that the wiki uses" if sent else ", though no such event was sent: look at the table"
    have = f"{count_of(outside, 'subject')} outside the sample {agree(outside, 'has', 'have')}"
    summary = f"{have} events of the experiment{where}."
    return CheckResult("sampled-out", layer, CheckStatus.FAIL, summary, outside, threshold=0, evidence=detail)


def check_uniformity(evidence: Evidence) -> CheckResult:
    """Test whether the hashes of the landed subjects are spread evenly over the sampled part of the hash space.

    A group takes the low part of its slice of the hash space; within it, positions are uniform at any rate.
    """
    hashes = _hash_positions(evidence)
    rate = evidence.plan.rate
    if len(hashes) < _MIN_HASHES:
        reason = f"{count_of(len(hashes), 'subject')} landed: too few to test how the hashes are spread."
        return CheckResult("uniformity", Layer.ASSIGNMENT, CheckStatus.INCONCLUSIVE, reason, matters=False)
    space = max(2, int(np.ceil(rate * HASH_SPACE)))
    bins = min(64, max(2, len(hashes) // 16))
    test = uniformity_test(np.minimum(hashes, space - 1), space, bins)
    p_value = min(1.0, 2 * min(test.chi_square_p, test.distance_p))
    detail = {"subjects": len(hashes), "bins": bins, **test._asdict()}
    if p_value >= ALPHA:
        summary = f"The hashes of {len(hashes):,} subjects are spread evenly (p = {p_value:.3f})."
        return CheckResult(
            "uniformity", Layer.ASSIGNMENT, CheckStatus.PASS, summary, test.chi_square, p_value, ALPHA, detail
        )
    summary = (
        f"The hashes of {len(hashes):,} subjects are not spread evenly (p = {p_value:.2g}): part of the hash space is "
        "missing. Look for what removes subjects by their id."
    )
    return CheckResult(
        "uniformity", Layer.ASSIGNMENT, CheckStatus.FAIL, summary, test.chi_square, p_value, ALPHA, detail
    )


def check_independence(evidence: Evidence) -> CheckResult:
    """Test every pair of active experiments, this one included: are the groups independent?

    The contract assigns the run's subjects in both experiments, and a G-test compares the groups. The hash input has no
    separator between id and name, so names that begin with a digit can share hashes: user 1 of `23-x` has the hash of
    user 12 of `3-x`. Such pairs are tested on the ids that share hashes.
    """
    users = evidence.participants.account_id
    users = np.unique(users[users > 0][:_MOST_USERS])
    experiments = [evidence.plan.experiment, *_others(evidence)]
    pairs = [_pair(evidence, users, one, other) for one, other in combinations(experiments, 2)]
    wrong = [pair for pair in pairs if float(str(pair["p_value"])) < ALPHA / max(len(pairs), 1)]
    detail = {"experiments": len(experiments), "pairs": pairs[:20]}
    if not pairs:
        summary = "No other experiment is active, so there is no pair to test."
        return CheckResult("independence", Layer.ASSIGNMENT, CheckStatus.PASS, summary, evidence=detail)
    least = min(float(str(pair["p_value"])) for pair in pairs)
    if not wrong:
        summary = (
            f"The groups of {count_of(len(experiments), 'active experiment')} are independent, pair by pair "
            f"(smallest p = {least:.3f})."
        )
        return CheckResult("independence", Layer.ASSIGNMENT, CheckStatus.PASS, summary, None, least, ALPHA, detail)
    first = wrong[0]
    cause = (
        f"user 1 of {first['one']!r} has the hash of user 1{first['digits']} of {first['other']!r}: rename one of them"
        if first["digits"]
        else "look at what the two hash"
    )
    summary = (
        f"The groups of {first['one']!r} and {first['other']!r} depend on each other (G = "
        f"{first['statistic']:.4g}): {cause}."
    )
    return CheckResult("independence", Layer.ASSIGNMENT, CheckStatus.FAIL, summary, None, least, ALPHA, detail)


def check_subject_ids(evidence: Evidence) -> CheckResult:
    """Check that subject ids are filled in, well formed, and different for each subject."""
    counts = evidence.landed_subjects
    total = counts["events"]
    detail: dict[str, object] = {
        "subjects": counts["subjects"],
        "events": total,
        "events_without_subject": counts["nameless_events"],
    }
    if not total:
        reason = "No event of the experiment landed, so there is no subject."
        return CheckResult("subject-ids", Layer.INSTRUMENT, CheckStatus.INCONCLUSIVE, reason, matters=False)
    odd = {str(row["subject"]): row for row in evidence.engine.ask("malformed_subject_ids")}
    heavy = next(iter(evidence.engine.ask("most_frequent_subject")), {"events": 0, "sent_events": 0})
    most, sent = int(str(heavy["events"])), int(str(heavy["sent_events"]))
    crowded = most >= _MOST_EVENTS and most > _MOST_SHARE * total and most > 3 * sent
    as_sent = any(row["sent_events"] for row in odd.values()) or (crowded and sent > 0)
    layer = Layer.INSTRUMENT if as_sent else Layer.TABLE
    detail |= {"no_ids": list(odd)[:_EXAMPLES], "most_events_of_one_subject": most}
    if PLACEHOLDER in odd:
        summary = (
            f"{odd[PLACEHOLDER]['events']:,} of {count_of(total, 'event')} have the subject {PLACEHOLDER!r}: the "
            "client sent them before it knew the subject id. Look at the client."
        )
        return CheckResult(
            "subject-ids", Layer.INSTRUMENT, CheckStatus.FAIL, summary, len(odd), threshold=0, evidence=detail
        )
    if odd or crowded:
        fact = (
            f"{count_of(len(odd), 'subject id')} {agree(len(odd), 'is', 'are')} malformed (such as {next(iter(odd))!r})"
            if odd
            else f"{most:,} of {count_of(total, 'event')} have the same subject"
        )
        summary = f"{fact}: look at what fills in the subject."
        return CheckResult("subject-ids", layer, CheckStatus.FAIL, summary, len(odd), threshold=0, evidence=detail)
    summary = f"The ids of all {count_of(counts['subjects'], 'subject')} are well formed ({count_of(total, 'event')})."
    return CheckResult("subject-ids", Layer.INSTRUMENT, CheckStatus.PASS, summary, 0, threshold=0, evidence=detail)


def _split(pairs: Iterable[tuple[str, str]]) -> list[dict[str, object]]:
    """Return the subjects with more than one group, as `analysis/sql/split_subjects.sql` does for rows."""
    groups: dict[str, set[str]] = {}
    for subject, group in pairs:
        groups.setdefault(subject, set()).add(group)
    return [
        {"subject": subject, "groups_seen": len(names), "one": min(names), "other": max(names)}
        for subject, names in groups.items()
        if len(names) > 1
    ]


def _shown_groups(evidence: Evidence) -> list[tuple[str, str]]:
    """Return account and shown group of each page that loaded, of the scenarios that change nothing."""
    experiment = evidence.plan.experiment
    names = {account.visit: account.name for account in evidence.roster}
    shown = []
    for view in evidence.page_views:
        group = page_group(view.experiments, evidence.manifest.generation, experiment.name, experiment.features[0].name)
        if group is not None and not view.failure:
            shown.append((names[view.visit], group))
    return shown


def _hash_positions(evidence: Evidence) -> NDArray[np.int64]:
    """Return the position of each landed subject in its group's slice of the hash space, 0 to 2^24 - 1.

    Subjects outside the sample and those that were chosen for their group are left out.
    """
    participants = evidence.participants
    landed = np.zeros(len(participants.group), np.bool_)
    columns = evidence.engine.columns("visit_stages")
    landed[columns["visit"][columns["landed"]]] = True
    mine = np.flatnonzero(landed & participants.in_sample & ~participants.chosen)[:_MOST_HASHES]
    experiment = evidence.plan.experiment
    assigned = assign_many(
        evidence.manifest.generation,
        participants.account_id[mine],
        experiment.name,
        experiment.groups,
        evidence.plan.rate,
    )
    scaled = assigned.hash24.astype(np.int64) * max(1, len(experiment.groups))
    return scaled % HASH_SPACE


def _others(evidence: Evidence) -> list[Experiment]:
    """Return the other experiments that were active when the run began; invalid configs are left out."""
    experiments = []
    for config in evidence.manifest.other_experiments:
        try:
            experiments.append(parse_experiment(evidence.manifest.generation, config))
        except ConfigError:
            continue
    return [item for item in experiments if item.name != evidence.plan.experiment.name]


def _pair(evidence: Evidence, users: NDArray[np.int64], one: Experiment, other: Experiment) -> Mapping[str, object]:
    """Return the test of a pair of experiments; when names share hashes, of the ids that do."""
    digits = _shared_digits(one.name, other.name)
    if digits is None and (swapped := _shared_digits(other.name, one.name)) is not None:
        one, other, digits = other, one, swapped
    ids = users
    if digits:
        ids = users[users < (2**63 - 1) // 10 ** len(digits) - 1]
        ids = ids if len(ids) else np.arange(1, 1001, dtype=np.int64)
    met = ids * 10 ** len(digits) + int(digits) if digits else ids
    generation = evidence.manifest.generation
    # At a rate of 1 every subject is in both samples, and few are enough.
    rows = assign_many(generation, ids, one.name, one.groups, 1.0).group
    columns = assign_many(generation, met, other.name, other.groups, 1.0).group
    table = np.zeros((len(one.groups), len(other.groups)), np.int64)
    np.add.at(table, (rows, columns), 1)
    test = independence_test(table)
    return {
        "one": one.name, "other": other.name, "digits": digits or "", "subjects": len(ids),
        "statistic": test.statistic, "p_value": test.p_value,
    }  # fmt: skip


def _shared_digits(longer: str, shorter: str) -> str | None:
    """Return the digits that *longer* has before *shorter*, when both begin with a digit; else None."""
    before = longer.removesuffix(shorter)
    meets = before != longer and before.isdecimal() and before.isascii() and shorter[:1].isdecimal()
    return before if meets else None
