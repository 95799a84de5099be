"""How many subjects a question needs, and what a number of subjects can show."""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from analysis.statistics import (
    imbalance_effect,
    loss_effect,
    rate_variance,
    smallest_difference,
    smallest_imbalance,
    smallest_loss,
    subjects_needed,
)
from common.errors import DogfoodError

#: Click-through rates are compared at the usual level: one experiment, one question.
_RATE_ALPHA = 0.05


class PlanningError(DogfoodError):
    """A question that makes no sense."""


class PowerQuery(NamedTuple):
    """What is asked about.

    Attributes:
        groups: of equal share.
        alpha: level of the sample-ratio test.
        power: chance of seeing what is there.
        ctr: clicks per impression.
        spread: standard deviation between subjects of how readily they click.
        impressions: mean per subject; their variance is taken to be as large (Poisson).
    """

    groups: int = 2
    alpha: float = 0.001
    power: float = 0.8
    ctr: float = 0.03
    spread: float = 0.03
    impressions: float = 3.0

    @property
    def shares(self) -> tuple[float, ...]:
        """Expected share of each group."""
        return (1 / self.groups,) * self.groups

    @property
    def variance(self) -> float:
        """Variance of one subject's part in a click-through rate. Raises PlanningError when the spread cannot be."""
        most = self.ctr * (1 - self.ctr)
        if self.spread**2 > most:
            raise PlanningError(
                f"subjects who click {self.ctr:.2%} on average cannot differ by {self.spread:g}: --spread is at most "
                f"{math.sqrt(most):.3f}"
            )
        return rate_variance(self.ctr, self.spread**2, self.impressions, self.impressions)


class PowerAnswer(NamedTuple):
    """One answer.

    Attributes:
        question: `share`, `loss` or `difference`.
        size: what should be, or can be, seen; None when even all of it would not be.
        subjects: in all groups together, landed.
        visitors: how many have to come for that, at the sample rate; None when that was not asked.
        sentence: for people.
    """

    question: str
    size: float | None
    subjects: int
    visitors: int | None
    sentence: str


def needs(
    question: PowerQuery, shares: Iterable[float], losses: Iterable[float], differences: Iterable[float], rate: float
) -> tuple[PowerAnswer, ...]:
    """Return how many subjects each question needs.

    Args:
        question: the setting.
        shares: of the first group, where an equal one was meant.
        losses: shares of one group's subjects.
        differences: of clicks per impression between two groups.
        rate: sample rate, above 0.

    Raises:
        PlanningError: a share is the expected one, or the spread cannot be.
    """
    answers = [*_of_shares(question, shares), *_of_losses(question, losses), *_of_differences(question, differences)]
    return tuple(
        PowerAnswer(what, size, subjects, math.ceil(subjects / rate), _needed(told, subjects, rate))
        for what, size, subjects, told in answers
    )


def can_show(question: PowerQuery, subjects: int) -> tuple[PowerAnswer, ...]:
    """Return the smallest share, loss and difference that *subjects* show. Raises PlanningError."""
    each = subjects // question.groups
    share = smallest_imbalance(subjects, question.shares, 0, question.alpha, question.power)
    loss = smallest_loss(subjects, question.shares, 0, question.alpha, question.power)
    found: list[tuple[str, float | None, str]] = [
        ("share", share, "a group whose share is {:.2%}"),
        ("loss", loss, "the loss of {:.2%} of one group's subjects"),
    ]
    if each:
        apart = smallest_difference(question.variance, each, each, _RATE_ALPHA, question.power)
        found.append(("difference", apart, "a difference of {:.3%} between two click-through rates"))
    return tuple(
        PowerAnswer(what, size, subjects, None, _shown(question, subjects, size, told)) for what, size, told in found
    )


def _of_shares(question: PowerQuery, shares: Iterable[float]) -> Iterator[tuple[str, float, int, str]]:
    for share in shares:
        rest = (1 - share) / (question.groups - 1)
        effect = imbalance_effect(question.shares, (share, *([rest] * (question.groups - 1))))
        if not effect:
            raise PlanningError(f"--share {share:g} is the expected share of {question.groups} groups: nothing to see")
        subjects = subjects_needed(effect, question.shares, question.alpha, question.power)
        yield "share", share, subjects, f"to call a group whose share is {share:.2%}"


def _of_losses(question: PowerQuery, losses: Iterable[float]) -> Iterator[tuple[str, float, int, str]]:
    for loss in losses:
        effect = loss_effect(question.shares, 0, loss)
        subjects = subjects_needed(effect, question.shares, question.alpha, question.power)
        yield "loss", loss, subjects, f"to call the loss of {loss:.2%} of one group's subjects"


def _of_differences(question: PowerQuery, differences: Iterable[float]) -> Iterator[tuple[str, float, int, str]]:
    for difference in differences:
        # The smallest difference falls with the square root of the subjects in each group.
        alone = smallest_difference(question.variance, 1, 1, _RATE_ALPHA, question.power)
        each = math.ceil((alone / difference) ** 2)
        yield (
            "difference",
            difference,
            each * question.groups,
            f"to see {difference:.3%} between two click-through rates",
        )


def _needed(told: str, subjects: int, rate: float) -> str:
    come = f", so {math.ceil(subjects / rate):,} have to come at a sample rate of {rate:g}" if rate < 1 else ""
    return f"{subjects:,} subjects are needed {told}{come}"


def _shown(question: PowerQuery, subjects: int, size: float | None, told: str) -> str:
    if size is None:
        return f"{subjects:,} subjects show nothing of the kind of {told.format(1.0)}"
    return f"{subjects:,} subjects show {told.format(size)} with a chance of {question.power:.0%}"
