"""The statistics behind the checks: pure functions of counts and small arrays.

Where scipy has a test, it is scipy's; what is ours is what it is given, and what it lacks. `docs/reference/statistics.md` has a
section on each method: what it answers, its formula and source, when it misleads.

`scipy.stats` takes a second to import. The modules name it in full, so that scipy imports it when it is first used.
"""

from analysis.statistics.contrast import shorter, unlike
from analysis.statistics.effect import (
    LEAST_CLICKING,
    Comparison,
    Estimate,
    Lift,
    Moments,
    Share,
    click_through_rate,
    compare_rates,
    enough_clicks,
    equality_test,
    mean_subject_rate,
    moments,
    moments_of_sums,
    unique_rate,
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
from analysis.statistics.rate import RateExplanation, RateFit, RateVerdict, explain_rate, rate_test
from analysis.statistics.ratio import (
    Deviation,
    Method,
    MultinomialTest,
    RatioTest,
    chi_square,
    deviation,
    exceeds_floor,
    holm,
    multinomial_test,
    ratio_test,
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
    "RateExplanation",
    "RateFit",
    "RateVerdict",
    "RatioTest",
    "SequentialTest",
    "Share",
    "UniformityTest",
    "chi_square",
    "click_through_rate",
    "compare_rates",
    "concentration_for",
    "deviation",
    "enough_clicks",
    "equality_test",
    "exceeds_floor",
    "explain_rate",
    "holm",
    "imbalance_effect",
    "independence_test",
    "loss_effect",
    "mean_subject_rate",
    "moments",
    "moments_of_sums",
    "multinomial_test",
    "newcombe",
    "rate_power",
    "rate_test",
    "rate_variance",
    "ratio_power",
    "ratio_test",
    "sequential_test",
    "share_interval",
    "shorter",
    "smallest_difference",
    "smallest_effect",
    "smallest_imbalance",
    "smallest_loss",
    "subjects_needed",
    "uniformity_test",
    "unique_rate",
    "unlike",
    "wilson",
]
