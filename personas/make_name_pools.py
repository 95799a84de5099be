"""Create `pools.json`: names of users and titles of pages.

Run `python -m personas.make_name_pools` after adding a language. The file is under version control, because another
version of Faker may create other names, and a seed has to create the same events everywhere.
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
    texts: dict[str, None] = {}
    while len(texts) < count:
        # A wiki stores names and titles in Unicode's normal form C.
        text = "".join(letter for letter in normalize("NFC", draw()) if letter not in "#<>[]|{}/_.@:")
        texts[text[:1].upper() + " ".join(text[1:].split())] = None
    return list(texts)


if __name__ == "__main__":
    PATH.write_bytes(orjson.dumps(make(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
