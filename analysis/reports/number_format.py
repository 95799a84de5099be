"""Format of numbers and their units, the same in terminal and report."""

from analysis.summaries.effects import GroupDifference, Power


def whole(number: int) -> str:
    """Return a count with thousands separators: 12,345."""
    return f"{number:,}"


def percent(share: float) -> str:
    """Return a share in percent: 49.87 %."""
    return f"{share * 100:.2f} %"


def signed_percent(difference: float) -> str:
    """Return a difference of shares in percentage points: +0.31 %."""
    return f"{difference * 100:+.2f} %"


def between(low: float, high: float) -> str:
    """Return an interval of shares: 47.91–51.82 %."""
    return f"{low * 100:.2f}–{high * 100:.2f} %"


def signed_between(low: float, high: float) -> str:
    """Return an interval of differences: -0.10 to +0.72 %."""
    return f"{low * 100:+.2f} to {high * 100:+.2f} %"


def p_value(value: float) -> str:
    """Return a p-value with three digits: p = 0.0123."""
    return f"p = {value:.3g}"


def difference(item: GroupDifference) -> str:
    """Return a sentence on the difference of two groups' click-through rates."""
    sentence = f"{item.group} against {item.control}: {signed_percent(item.difference)}"
    sentence += f" ({signed_between(item.low, item.high)})"
    if item.lift is not None and item.lift_low is not None and item.lift_high is not None:
        sentence += f", a lift of {signed_percent(item.lift)} ({signed_between(item.lift_low, item.lift_high)})"
    return f"{sentence}, {p_value(item.p_value)}." if item.p_value is not None else f"{sentence}."


def power(effects: Power, expected: float) -> list[str]:
    """Return a sentence for each effect that a run could have detected.

    Args:
        effects: smallest effects that the run could detect.
        expected: expected share of the first group.
    """
    imbalance = loss = rate = None
    if effects.imbalance is not None:
        imbalance = f"A group with {percent(effects.imbalance)} of the subjects in place of {percent(expected)}."
    if effects.loss is not None:
        loss = f"The loss of {percent(effects.loss)} of one group's subjects, by their number alone."
        loss += " (The loss of an acknowledged event is always detected.)"
    if effects.difference is not None:
        rate = f"A difference of {percent(effects.difference)} between two click-through rates, at p < 0.05."
    return [
        imbalance or "No imbalance between the groups of any size.",
        loss or "No loss of one group's subjects, by their number alone.",
        rate or "No difference of click-through rates.",
    ]
