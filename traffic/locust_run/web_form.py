"""The form of Locust's web page as options."""

from argparse import Namespace
from collections.abc import Callable, Mapping


def with_form(options: Namespace, form: Mapping[str, str], seconds: Callable[[str], float]) -> Namespace:
    """Return *options* with the values of a form, as Locust will set them.

    Args:
        options: options of the command line.
        form: texts by option name; unknown names are ignored.
        seconds: parses a duration as Locust does.

    Raises:
        ValueError: a field is not a number or not a duration.
    """
    values = dict(vars(options))
    for name, text in form.items():
        current = values.get(name)
        if name == "run_time":
            values[name] = _duration(text, seconds)
        elif isinstance(current, bool):
            values[name] = text == "true"
        elif isinstance(current, int | float):
            values[name] = _number(name, text, type(current))
        elif isinstance(current, str):
            values[name] = text
    return Namespace(**values)


def _duration(text: str, seconds: Callable[[str], float]) -> int | None:
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
