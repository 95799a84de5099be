"""Contrasts between groups: tests of unequal rates (Fisher) and of smaller values (Mann and Whitney)."""

from collections.abc import Sequence

import numpy as np
import scipy

from analysis.statistics.ratio import holm


def unlike(counts: Sequence[tuple[int, int]]) -> float:
    """Return the p-value of equal rates in all groups: Fisher's exact test, each group against the rest.

    Args:
        counts: for each group, the number of members affected, and of all members.

    Returns:
        The smallest p-value after Holm's correction; 1 when fewer than two groups have members, or when no member or
        every member is affected.

    Raises:
        ValueError: a group has more hits than members, or a negative count.

    Source: Fisher (1935), section 21; computed by scipy.
    """
    if any(not 0 <= hit <= members for hit, members in counts):
        raise ValueError("a group has from 0 to as many hits as members")
    groups = [(hit, members) for hit, members in counts if members]
    all_hit, all_members = (sum(column) for column in zip(*groups, strict=True)) if groups else (0, 0)
    if len(groups) < 2 or all_hit in (0, all_members):
        return 1.0
    tables = [
        [[hit, members - hit], [all_hit - hit, all_members - members - all_hit + hit]]
        # Of two groups, each is the rest of the other.
        for hit, members in (groups[:1] if len(groups) == 2 else groups)
    ]
    return min(holm([float(scipy.stats.fisher_exact(np.array(table)).pvalue) for table in tables]))


def shorter(some: Sequence[float], others: Sequence[float]) -> float:
    """Return the one-sided p-value that *some* are not smaller than *others* (test of Mann and Whitney).

    Returns:
        1 when either is empty.

    Source: Mann & Whitney (1947); computed by scipy, exactly for few values without ties.
    """
    if not len(some) or not len(others):
        return 1.0
    return float(scipy.stats.mannwhitneyu(some, others, alternative="less").pvalue)
