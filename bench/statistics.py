"""Prints the figures in `docs/reference/statistics.md`, each with its expected value.

Run with `python -m bench.statistics`.
"""

import numpy as np
from numpy.typing import NDArray

from analysis.statistics import (
    chi_square,
    compare_rates,
    equality_test,
    imbalance_effect,
    moments,
    multinomial_test,
    sequential_test,
    subjects_needed,
)

HALVES = (0.5, 0.5)


def main() -> None:
    """Print every figure."""
    generator = np.random.default_rng(20250131)
    _print_figure(
        "single look, false alarms at 0.001, 20,000 null runs", "at most 0.15 %", f"{_single_look(generator):.3%}"
    )
    repeated, sequential = _hundred_looks(generator)
    _print_figure("100 looks, repeated chi-square at 0.05", "about 37.7 %", f"{repeated:.1%}")
    _print_figure("100 looks, sequential test at 0.05", "at most 5 %", f"{sequential:.2%}")
    power, median = _slight_imbalance(generator)
    _print_figure("50.2 to 49.8 of 1,637,070 at 0.05, called", "97 % or more", f"{power:.1%}")
    _print_figure("the same, median moment of the call", "about 30 % of the run", f"{median:.0%}")
    for share, needed in ((0.51, 42_687), (0.52, 10_672), (0.55, 1_708)):
        subjects = subjects_needed(imbalance_effect(HALVES, (share, 1 - share)), HALVES, 0.001)
        power = _called(generator, subjects, share)
        _print_figure(
            f"subjects for {share:.0%}, 80 % power at 0.001",
            f"{needed:,}",
            f"{subjects:,} (simulated power {power:.1%})",
        )
    delta, pooled = _aa_runs(generator)
    _print_figure("A/A runs of unlike subjects called at 0.05, delta method", "4 to 6 %", f"{delta:.1%}")
    _print_figure("the same, pooled binomial test", "about 13 %", f"{pooled:.1%}")
    own, together = _small_aa_runs(generator)
    _print_figure("A/A runs of 100 and 1,000 subjects called at 0.001", "about 0.1 %", f"{together:.2%}")
    _print_figure("the same, by each group's own variance", "several times that", f"{own:.2%}")
    ratio_test = multinomial_test((1_302_187, 1_214_917), HALVES)
    _print_figure("1,302,187 to 1,214,917, chi-square", "3025.7", f"{ratio_test.statistic:.1f}")


def _print_figure(name: str, expected: str, actual: str) -> None:
    print(f"{name:<58} {expected:<24} {actual}")


def _single_look(generator: np.random.Generator) -> float:
    few = generator.binomial(10_000, 0.5, 20_000)
    _, p_value = chi_square(np.stack([few, 10_000 - few], axis=-1), HALVES)
    return float(np.mean(p_value < 0.001))


def _grown(generator: np.random.Generator, runs: int, subjects: int, share: float) -> NDArray[np.int64]:
    """Return the counts of two groups at 100 looks, shape (runs, 100, 2)."""
    each = subjects // 100
    few = generator.binomial(each, share, (runs, 100)).cumsum(axis=1)
    total = np.arange(1, 101) * each
    return np.stack([few, total - few], axis=-1)


def _hundred_looks(generator: np.random.Generator) -> tuple[float, float]:
    counts = _grown(generator, 4_000, 1_000_000, 0.5)
    _, p_value = chi_square(counts, HALVES)
    called = sequential_test(counts, HALVES).first_look(0.05) >= 0
    return float(np.mean((p_value < 0.05).any(axis=1))), float(np.mean(called))


def _slight_imbalance(generator: np.random.Generator) -> tuple[float, float]:
    look = sequential_test(_grown(generator, 4_000, 1_637_070, 0.502), HALVES).first_look(0.05)
    at = np.where(look >= 0, look + 1, np.inf) / 100
    return float(np.mean(look >= 0)), float(np.median(at))


def _called(generator: np.random.Generator, subjects: int, share: float) -> float:
    few = generator.binomial(subjects, share, 20_000)
    _, p_value = chi_square(np.stack([few, subjects - few], axis=-1), HALVES)
    return float(np.mean(p_value < 0.001))


def _aa_runs(generator: np.random.Generator) -> tuple[float, float]:
    runs, subjects = 3_000, 1_000
    delta = pooled = 0
    for _ in range(runs):
        groups = []
        for _ in range(2):
            views = generator.geometric(1 / 9, subjects)
            groups.append((generator.binomial(views, generator.beta(1, 19, subjects)), views))
        compared = compare_rates(moments(*groups[0]), moments(*groups[1]))
        delta += (compared.p_value or 0.0) < 0.05
        clicks, impressions = (np.array([int(group[part].sum()) for group in groups]) for part in (0, 1))
        rate = clicks.sum() / impressions.sum()
        error = np.sqrt(rate * (1 - rate) * (1 / impressions).sum())
        pooled += abs(clicks[0] / impressions[0] - clicks[1] / impressions[1]) > 1.959964 * error
    return delta / runs, pooled / runs


def _small_aa_runs(generator: np.random.Generator) -> tuple[float, float]:
    """Return the share of equal pairs of a small and a larger group called at 0.001: by own and by pooled variance."""
    runs = 20_000
    own = pooled = 0
    for _ in range(runs):
        impressions = [generator.geometric(1 / 9, subjects) for subjects in (100, 1_000)]
        clicks = [generator.binomial(each, generator.beta(1, 19, len(each))) for each in impressions]
        one, other = (moments(*group) for group in zip(clicks, impressions, strict=True))
        own += (compare_rates(one, other).p_value or 0.0) < 0.001
        pooled += (equality_test(one, other) or 0.0) < 0.001
    return own / runs, pooled / runs


if __name__ == "__main__":
    main()
