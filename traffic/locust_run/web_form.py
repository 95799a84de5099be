"""What the form of Locust's web page says, as options."""

from argparse import Namespace
from collections.abc import Callable, Mapping


def with_form(options: Namespace, form: Mapping[str, str], seconds: Callable[[str], float]) -> Namespace:
    """Return *options* with what a form says, as Locust will set them.

    Args:
        options: of the command line.
        form: texts by the options' names; others are ignored.
        seconds: reads a span of time as Locust does.

    Raises:
        ValueError: a field is not a number, or no span of time.
    """
    values = dict(vars(options))
    for name, text in form.items():
        before = values.get(name)
        if name == "run_time":
            values[name] = _span(text, seconds)
        elif isinstance(before, bool):
            values[name] = text == "true"
        elif isinstance(before, int | float):
            values[name] = _number(name, text, type(before))
        elif isinstance(before, str):
            values[name] = text
    return Namespace(**values)


def _span(text: str, seconds: Callable[[str], float]) -> int | None:
    if not text:
        return None
    try:
        return int(seconds(text))
    except ValueError:
        raise ValueError(f"run time {text!r}: write it like 20, 20s, 3m or 1h20m") from None


def _number(name: str, text: str, kind: type) -> float:
    try:
        number: float = kind(text)
    except ValueError:
        raise ValueError(f"{name.replace('_', ' ')} {text!r} is not a number") from None
    return number
