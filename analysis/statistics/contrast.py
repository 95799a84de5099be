"""Whether what happened to some happened to one group more than to the rest, or to those who stayed less long."""

from collections.abc import Sequence

import numpy as np
import scipy

from analysis.statistics.ratio import holm


def unlike(counts: Sequence[tuple[int, int]]) -> float:
    """Return the p-value of every group having been hit at the same rate: Fisher's exact test, each against the rest.

    Args:
        counts: of each group, how many of its members were hit, and how many it has.

    Returns:
        The smallest of the p-values after Holm's correction; 1 when there are no two groups with members, or when
        nobody or everybody was hit.

    Raises:
        ValueError: a group has more hits than members, or a negative count.

    Source: Fisher (1935), section 21; computed by scipy.
    """
    if any(not 0 <= hit <= members for hit, members in counts):
        raise ValueError("a group has as many hits as members at the most, and none below 0")
    groups = [(hit, members) for hit, members in counts if members]
    all_hit, everybody = (sum(column) for column in zip(*groups, strict=True)) if groups else (0, 0)
    if len(groups) < 2 or all_hit in (0, everybody):
        return 1.0
    tables = [
        [[hit, members - hit], [all_hit - hit, everybody - members - all_hit + hit]]
        # Of two groups, each is the rest of the other.
        for hit, members in (groups[:1] if len(groups) == 2 else groups)
    ]
    return min(holm([float(scipy.stats.fisher_exact(np.array(table)).pvalue) for table in tables]))


def shorter(some: Sequence[float], others: Sequence[float]) -> float:
    """Return the p-value of *some* not being smaller than *others*: the test of Mann and Whitney, one-sided.

    Returns:
        1 when either is empty.

    Source: Mann & Whitney (1947); computed by scipy, exactly for few values without ties.
    """
    if not len(some) or not len(others):
        return 1.0
    return float(scipy.stats.mannwhitneyu(some, others, alternative="less").pvalue)
