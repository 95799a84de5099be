"""How small a loss or an imbalance the checks that test for chance still find: `python -m bench.sensitivity`.

For each number of subjects, the smallest share of the treatment group that has to be hit for a check to call it in
four of five runs. Draws are simulated, and what judges them are the tests that the checks use.
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

#: Shares that are tried, smallest first: steps of a tenth.
_SHARES = tuple(np.geomspace(0.0002, 0.6, 85).tolist())

#: Whether a check calls one draw: of a random generator, how many subjects there are, and the share that is hit.
Calls = Callable[[np.random.Generator, int, float], bool]


class SensitivityProbe(NamedTuple):
    """What is asked of which check.

    Attributes:
        check: its name.
        what: happens to the share of the treatment group.
        faults: of the catalogue that look like this.
        calls: whether the check calls one draw.
    """

    check: str
    what: str
    faults: str
    calls: Calls


def _ratio(random: np.random.Generator, subjects: int, share: float) -> bool:
    treated = random.binomial(subjects, 0.5)
    left = treated - random.binomial(treated, share)
    return multinomial_test([subjects - treated, left], _HALF).p_value < ALPHA


def _unanswered(random: np.random.Generator, subjects: int, share: float) -> bool:
    treated = int(random.binomial(subjects, 0.5))
    return unlike([(int(random.binomial(treated, share)), treated), (0, subjects - treated)]) < ALPHA


def _rate(random: np.random.Generator, subjects: int, share: float) -> bool:
    enrolled = random.binomial(2 * subjects, 0.5)
    gone = random.binomial(enrolled // 2, share)
    return rate_test(int(enrolled - gone), 2 * subjects, 0.5) < ALPHA


QUESTIONS = (
    SensitivityProbe("sample-ratio", "are not exposed, or vanish", "eligibility, late-record, bot-filter", _ratio),
    SensitivityProbe("indeterminate", "have an event that is cut off without an answer", "loss-by-group", _unanswered),
    SensitivityProbe("sample-rate", "vanish, at a sample rate of one half", "rate-key, double-sampling", _rate),
)


def smallest_share(calls: Calls, subjects: int, seed: int = 1) -> float | None:
    """Return the smallest share of the treatment group that is called often enough; None when no share is."""

    def is_enough(share: float) -> bool:
        random = np.random.default_rng(seed)
        return sum(calls(random, subjects, share) for _ in range(DRAWS)) >= POWER * DRAWS

    low, high = 0, len(_SHARES)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(_SHARES[middle]) else (middle + 1, high)
    return _SHARES[low] if low < len(_SHARES) else None


def table(sizes: Sequence[int] = SIZES) -> str:
    """Return the table as Markdown."""
    head = " | ".join(f"{size:,} subjects" for size in sizes)
    lines = [f"| check | what happens to them | as in | {head} |", f"|---|---|---|{'---|' * len(sizes)}"]
    for question in QUESTIONS:
        found = [smallest_share(question.calls, size) for size in sizes]
        cells = " | ".join("–" if share is None else f"{share:.2%}" for share in found)
        lines.append(f"| {question.check} | {question.what} | {question.faults} | {cells} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table, or put it into the documentation."""
    parser = argparse.ArgumentParser(prog="python -m bench.sensitivity", description=__doc__)
    parser.add_argument("--docs", type=Path, help="Markdown file to put the table into, between its marks")
    options = parser.parse_args()
    made = table()
    if options.docs is not None:
        replace_between_marks(options.docs, "sensitivity", made)
    print(made)


if __name__ == "__main__":
    main()
