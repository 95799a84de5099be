"""Parts of sentences for people: counts with the right plural, clauses without their full stop."""


def count_of(number: float, noun: str, plural: str = "") -> str:
    """Return *number*, with thousands set apart, and *noun* in the form that goes with it: "1 click", "1,200 clicks".

    Args:
        number: how many.
        noun: its singular.
        plural: its plural, when that is not the singular with an s.
    """
    text = f"{number:,}" if isinstance(number, int) else f"{number:,g}"
    return f"{text} {agree(number, noun, plural or f'{noun}s')}"


def agree(number: float, singular: str, plural: str) -> str:
    """Return the form of a verb or noun that goes with *number*: *singular* for 1, else *plural*."""
    return singular if number == 1 else plural


def clause(text: str) -> str:
    """Return *text* without the full stop at its end, so that a sentence can go on after it."""
    return text.rstrip(" .")


def capitalised(text: str) -> str:
    """Return *text* with its first letter in upper case and the others as they are."""
    return f"{text[:1].upper()}{text[1:]}"
