"""Statistics of the checks: pure functions of counts and small arrays.

Tests are scipy's where scipy has them. `docs/reference/statistics.md` has a section on each method: its question,
formula, source and limits.

`scipy.stats` takes a second to import. The modules name it in full, so that scipy imports it on first use.
"""

from analysis.statistics.contrast import shorter, unlike
from analysis.statistics.effect import (
    LEAST_CLICKING,
    Comparison,
    Estimate,
    Lift,
    Moments,
    click_through_rate,
    compare_rates,
    enough_clicks,
    equality_test,
    moments,
    moments_of_sums,
)
from analysis.statistics.independence import IndependenceTest, UniformityTest, independence_test, uniformity_test
from analysis.statistics.intervals import Interval, newcombe, share_interval, wilson
from analysis.statistics.power import (
    imbalance_effect,
    loss_effect,
    rate_power,
    rate_variance,
    ratio_power,
    smallest_difference,
    smallest_effect,
    smallest_imbalance,
    smallest_loss,
    subjects_needed,
)
from analysis.statistics.rate import rate_test
from analysis.statistics.ratio import (
    Deviation,
    Method,
    MultinomialTest,
    chi_square,
    deviation,
    exceeds_floor,
    holm,
    multinomial_test,
)
from analysis.statistics.sequential import SequentialTest, concentration_for, sequential_test

__all__ = [
    "LEAST_CLICKING",
    "Comparison",
    "Deviation",
    "Estimate",
    "IndependenceTest",
    "Interval",
    "Lift",
    "Method",
    "Moments",
    "MultinomialTest",
    "SequentialTest",
    "UniformityTest",
    "chi_square",
    "click_through_rate",
    "compare_rates",
    "concentration_for",
    "deviation",
    "enough_clicks",
    "equality_test",
    "exceeds_floor",
    "holm",
    "imbalance_effect",
    "independence_test",
    "loss_effect",
    "moments",
    "moments_of_sums",
    "multinomial_test",
    "newcombe",
    "rate_power",
    "rate_test",
    "rate_variance",
    "ratio_power",
    "sequential_test",
    "share_interval",
    "shorter",
    "smallest_difference",
    "smallest_effect",
    "smallest_imbalance",
    "smallest_loss",
    "subjects_needed",
    "uniformity_test",
    "unlike",
    "wilson",
]
