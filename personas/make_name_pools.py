"""Makes `pools.json`: the names of people and of pages that subjects and visits are drawn from.

Run by hand, `python -m personas.make_name_pools`, when a language is added. The result is checked in, because another
version of Faker may make other names, and the same seed has to make the same events everywhere.
"""

from collections.abc import Callable
from pathlib import Path
from unicodedata import normalize

import orjson
from faker import Faker

PATH = Path(__file__).resolve().parent / "pools.json"

#: Faker's locale for each interface language that a persona may have; eight scripts.
LOCALES = {
    "en": "en_GB", "de": "de_DE", "fr": "fr_FR", "es": "es_ES", "ru": "ru_RU",
    "ja": "ja_JP", "zh": "zh_CN", "ar": "ar_AA", "he": "he_IL", "hi": "hi_IN",
}  # fmt: skip

NAMES = 120
TITLES = 24
SEED = 20250131


def make() -> dict[str, dict[str, list[str]]]:
    """Return {"names": {language: [...]}, "titles": {language: [...]}}."""
    names: dict[str, list[str]] = {}
    titles: dict[str, list[str]] = {}
    for language, locale in LOCALES.items():
        faker = Faker(locale)
        faker.seed_instance(f"{SEED}-{language}")
        names[language] = _distinct(faker.name, NAMES)
        titles[language] = _distinct(faker.city, TITLES)
    return {"names": names, "titles": titles}


def _distinct(draw: Callable[[], str], count: int) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < count:
        # A wiki knows names and titles in Unicode's normal form C only.
        text = "".join(letter for letter in normalize("NFC", draw()) if letter not in "#<>[]|{}/_.@:")
        found[text[:1].upper() + " ".join(text[1:].split())] = None
    return list(found)


if __name__ == "__main__":
    PATH.write_bytes(orjson.dumps(make(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
