"""How numbers are written, in the terminal and in the report alike."""

from analysis.summaries.effects import GroupDifference, Power


def whole(number: int) -> str:
    """Return a count, with thousands set apart: 12,345."""
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
    """Return a sentence on how two groups' click-through rates differ."""
    told = f"{item.group} against {item.control}: {signed_percent(item.difference)}"
    told += f" ({signed_between(item.low, item.high)})"
    if item.lift is not None and item.lift_low is not None and item.lift_high is not None:
        told += f", a lift of {signed_percent(item.lift)} ({signed_between(item.lift_low, item.lift_high)})"
    return f"{told}, {p_value(item.p_value)}." if item.p_value is not None else f"{told}."


def power(found: Power, meant: float) -> list[str]:
    """Return what a run could have shown, a sentence each.

    Args:
        found: by the run.
        meant: the expected share of the first group.
    """
    imbalance = loss = rate = None
    if found.imbalance is not None:
        imbalance = f"A group with {percent(found.imbalance)} of the subjects, where {percent(meant)} was meant."
    if found.loss is not None:
        loss = f"The loss of {percent(found.loss)} of one group's subjects, by their number alone."
        loss += " (The loss of an event that was acknowledged is always seen.)"
    if found.difference is not None:
        rate = f"A difference of {percent(found.difference)} between two click-through rates, at p < 0.05."
    return [
        imbalance or "No imbalance between the groups, however large.",
        loss or "No loss of one group's subjects, by their number alone.",
        rate or "No difference of click-through rates.",
    ]
