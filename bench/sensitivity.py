"""Sensitivity of the statistical checks: the smallest detectable loss or imbalance. `python -m bench.sensitivity`.

For each number of subjects, this is the smallest affected share of the treatment group that a check detects in four of
five runs. Runs are simulated, and evaluated with the checks' own tests.
"""

import argparse
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from analysis.statistics import multinomial_test, rate_test, unlike
from analysis.verdict import ALPHA
from dogfood.faults.report import replace_between_marks

SIZES = (1_000, 10_000, 100_000)
POWER, DRAWS = 0.8, 200
_HALF = (Fraction(1, 2), Fraction(1, 2))

#: Shares to try, in ascending order, each about 10 % larger than the one before.
_SHARES = tuple(np.geomspace(0.0002, 0.6, 85).tolist())

#: Function that returns whether a check detects one simulated run: generator, number of subjects, affected share.
Detects = Callable[[np.random.Generator, int, float], bool]


class SensitivityProbe(NamedTuple):
    """A check and a simulated fault.

    Attributes:
        check: name of the check.
        effect: what happens to the affected share of the treatment group.
        faults: faults in the catalogue with that effect.
        detects: function that returns whether the check detects one simulated run.
    """

    check: str
    effect: str
    faults: str
    detects: Detects


def _ratio(rng: np.random.Generator, subjects: int, share: float) -> bool:
    treated = rng.binomial(subjects, 0.5)
    left = treated - rng.binomial(treated, share)
    return multinomial_test([subjects - treated, left], _HALF).p_value < ALPHA


def _unanswered(rng: np.random.Generator, subjects: int, share: float) -> bool:
    treated = int(rng.binomial(subjects, 0.5))
    return unlike([(int(rng.binomial(treated, share)), treated), (0, subjects - treated)]) < ALPHA


def _rate(rng: np.random.Generator, subjects: int, share: float) -> bool:
    enrolled = rng.binomial(2 * subjects, 0.5)
    lost = rng.binomial(enrolled // 2, share)
    return rate_test(int(enrolled - lost), 2 * subjects, 0.5) < ALPHA


PROBES = (
    SensitivityProbe("sample-ratio", "are not exposed, or vanish", "eligibility, late-record, bot-filter", _ratio),
    SensitivityProbe("indeterminate", "have an event that gets no response", "loss-by-group", _unanswered),
    SensitivityProbe("sample-rate", "vanish, at a sample rate of one half", "rate-key, double-sampling", _rate),
)


def smallest_share(detects: Detects, subjects: int, seed: int = 1) -> float | None:
    """Return the smallest share of the treatment group that is detected often enough, or None."""

    def is_enough(share: float) -> bool:
        rng = np.random.default_rng(seed)
        return sum(detects(rng, subjects, share) for _ in range(DRAWS)) >= POWER * DRAWS

    low, high = 0, len(_SHARES)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(_SHARES[middle]) else (middle + 1, high)
    return _SHARES[low] if low < len(_SHARES) else None


def table(sizes: Sequence[int] = SIZES) -> str:
    """Return the table as Markdown."""
    head = " | ".join(f"{size:,} subjects" for size in sizes)
    lines = [f"| check | what happens to them | as in | {head} |", f"|---|---|---|{'---|' * len(sizes)}"]
    for probe in PROBES:
        shares = [smallest_share(probe.detects, size) for size in sizes]
        cells = " | ".join("–" if share is None else f"{share:.2%}" for share in shares)
        lines.append(f"| {probe.check} | {probe.effect} | {probe.faults} | {cells} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table, and optionally write it into the documentation."""
    parser = argparse.ArgumentParser(prog="python -m bench.sensitivity", description=__doc__)
    parser.add_argument("--docs", type=Path, help="Markdown file in which to replace the table between the marks")
    options = parser.parse_args()
    markdown = table()
    if options.docs is not None:
        replace_between_marks(options.docs, "sensitivity", made)
    print(made)


if __name__ == "__main__":
    main()
