"""Power analysis: subjects that an effect needs, and the effects that a number of subjects can detect."""

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
from common.sentences import agree, count_of

#: Level of the comparison of click-through rates: the usual one, for one experiment makes one comparison.
_RATE_ALPHA = 0.05


class PlanningError(DogfoodError):
    """A power query with impossible parameters."""


class PowerQuery(NamedTuple):
    """Parameters of a power analysis.

    Attributes:
        groups: number of groups of equal share.
        alpha: level of the sample-ratio test.
        power: probability of detecting an effect that exists.
        ctr: clicks per impression.
        spread: standard deviation of the click-through rate between subjects.
        impressions: mean impressions per subject; the variance is assumed to equal it (Poisson).
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
        """Variance of one subject's part in a click-through rate. Raises PlanningError for an impossible spread."""
        most = self.ctr * (1 - self.ctr)
        if self.spread**2 > most:
            raise PlanningError(
                f"subjects who click {self.ctr:.2%} on average cannot differ by {self.spread:g}: --spread is at most "
                f"{math.sqrt(most):.3f}"
            )
        return rate_variance(self.ctr, self.spread**2, self.impressions, self.impressions)


class PowerAnswer(NamedTuple):
    """Result of a power analysis for one effect.

    Attributes:
        question: `share`, `loss` or `difference`.
        size: size of the effect; None when even the largest possible one cannot be detected.
        subjects: landed subjects, all groups together.
        visitors: visiting subjects needed for that at the sample rate; None without a sample rate.
        sentence: result for people.
    """

    question: str
    size: float | None
    subjects: int
    visitors: int | None
    sentence: str


def needs(
    question: PowerQuery, shares: Iterable[float], losses: Iterable[float], differences: Iterable[float], rate: float
) -> tuple[PowerAnswer, ...]:
    """Return the number of subjects that each effect needs.

    Args:
        question: parameters of the analysis.
        shares: actual shares of the first group, in place of an equal one.
        losses: lost shares of one group's subjects.
        differences: differences of clicks per impression between two groups.
        rate: sample rate, above 0.

    Raises:
        PlanningError: a share is the expected one, or the spread is impossible.
    """
    answers = [*_of_shares(question, shares), *_of_losses(question, losses), *_of_differences(question, differences)]
    return tuple(
        PowerAnswer(kind, size, subjects, math.ceil(subjects / rate), _needed(purpose, subjects, rate))
        for kind, size, subjects, purpose in answers
    )


def can_show(question: PowerQuery, subjects: int) -> tuple[PowerAnswer, ...]:
    """Return the smallest share, loss and difference that *subjects* can detect. Raises PlanningError."""
    each = subjects // question.groups
    share = smallest_imbalance(subjects, question.shares, 0, question.alpha, question.power)
    loss = smallest_loss(subjects, question.shares, 0, question.alpha, question.power)
    effects: list[tuple[str, float | None, str]] = [
        ("share", share, "a group with a share of {:.2%}"),
        ("loss", loss, "the loss of {:.2%} of one group's subjects"),
    ]
    if each:
        difference = smallest_difference(question.variance, each, each, _RATE_ALPHA, question.power)
        effects.append(("difference", difference, "a difference of {:.3%} between two click-through rates"))
    return tuple(
        PowerAnswer(kind, size, subjects, None, _detectable(question, subjects, size, effect))
        for kind, size, effect in effects
    )


def _of_shares(question: PowerQuery, shares: Iterable[float]) -> Iterator[tuple[str, float, int, str]]:
    for share in shares:
        rest = (1 - share) / (question.groups - 1)
        effect = imbalance_effect(question.shares, (share, *([rest] * (question.groups - 1))))
        if not effect:
            raise PlanningError(
                f"--share {share:g} is the expected share of {question.groups} groups: there is nothing to detect"
            )
        subjects = subjects_needed(effect, question.shares, question.alpha, question.power)
        yield "share", share, subjects, f"to detect a group with a share of {share:.2%}"


def _of_losses(question: PowerQuery, losses: Iterable[float]) -> Iterator[tuple[str, float, int, str]]:
    for loss in losses:
        effect = loss_effect(question.shares, 0, loss)
        subjects = subjects_needed(effect, question.shares, question.alpha, question.power)
        yield "loss", loss, subjects, f"to detect the loss of {loss:.2%} of one group's subjects"


def _of_differences(question: PowerQuery, differences: Iterable[float]) -> Iterator[tuple[str, float, int, str]]:
    for difference in differences:
        # The smallest difference falls with the square root of the subjects in each group.
        alone = smallest_difference(question.variance, 1, 1, _RATE_ALPHA, question.power)
        each = math.ceil((alone / difference) ** 2)
        yield (
            "difference",
            difference,
            each * question.groups,
            f"to detect a difference of {difference:.3%} between two click-through rates",
        )


def _needed(purpose: str, subjects: int, rate: float) -> str:
    visits = f", so {math.ceil(subjects / rate):,} have to visit at a sample rate of {rate:g}" if rate < 1 else ""
    return f"{count_of(subjects, 'subject')} {agree(subjects, 'is', 'are')} needed {purpose}{visits}"


def _detectable(question: PowerQuery, subjects: int, size: float | None, effect: str) -> str:
    if size is None:
        return f"{count_of(subjects, 'subject')} cannot detect {effect.format(1.0)}"
    return f"{count_of(subjects, 'subject')} can detect {effect.format(size)} with a power of {question.power:.0%}"
