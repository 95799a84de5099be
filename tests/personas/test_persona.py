from dataclasses import replace
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest

from contracts.generation import Generation
from personas.make_name_pools import make
from personas.persona import FOLDER, PersonaError, load_personas
from personas.plan.plan import Plan
from personas.population import Population, languages, pools
from tests.plans import settings

WANTED = {"casual-reader", "returning-reader", "newcomer", "power-editor", "patroller", "mobile-reader", "bot"}


def test_the_documented_personas_exist() -> None:
    personas = load_personas()
    assert {persona.name for persona in personas} >= WANTED
    assert languages(personas) <= pools().names.keys()


def test_shares_of_personas_follow_their_weights() -> None:
    personas = load_personas()
    subjects = Population(3, 20_000, personas).subjects(0, 20_000)
    counts = np.bincount(subjects.persona, minlength=len(personas))
    weights = np.array([persona.weight for persona in personas])
    expected = weights / weights.sum() * 20_000
    assert np.all(np.abs(counts - expected) < 5 * np.sqrt(expected))


def test_ids_and_names_are_unique() -> None:
    population = Population(3, 5_000, load_personas())
    subjects = population.subjects(0, 5_000)
    assert len(np.unique(subjects.user_id)) == len(np.unique(subjects.central_id)) == 5_000
    names = list(population.user_names(subjects))
    assert len(set(names)) == 5_000
    for low, high in (("a", "z"), ("а", "я"), ("ا", "ي"), ("א", "ת"), ("अ", "ह"), ("一", "龥")):
        assert any(low <= letter <= high for name in names for letter in name.casefold()), low


def test_edit_counts_stay_within_the_personas_ranges() -> None:
    population = Population(3, 5_000, load_personas())
    subjects = population.subjects(0, 5_000)
    for position, persona in enumerate(population.personas):
        edits = subjects.edit_count[subjects.persona == position]
        inside = [(edits >= low) & (edits <= high) for low, high, _ in persona.edit_counts]
        assert np.all(np.any(inside, axis=0))


def test_a_slice_equals_part_of_the_population() -> None:
    population = Population(3, 1_000, load_personas())
    whole, part = population.subjects(0, 1_000), population.subjects(300, 500)
    assert all(np.array_equal(a[300:800], b) for a, b in zip(whole, part, strict=True))
    assert len(population.subjects(900, 500).user_id) == 100
    for first, count in ((0, 1_000), (300, 500), (256, 256), (900, 500), (2_000, 5)):
        every, named = population.subjects(first, count), population.identities(first, count)
        assert all(np.array_equal(column, every[position]) for position, column in enumerate(named))
    assert len(population.subjects(2_000, 5).user_id) == 0


def test_the_pools_are_reproducible() -> None:
    assert make() == pools()._asdict()


def test_names_and_titles_are_valid_on_a_wiki() -> None:
    for texts in (*pools().names.values(), *pools().titles.values()):
        assert [text for text in texts if normalize("NFC", text) != text] == []


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("weight = 38", "weight = 0", "weight has to be a whole number above 0"),
        ("weight = 38", "wieght = 38", "wieght is not a field of a persona"),
        ('platform = "desktop_browser"', 'platform = "fridge"', "platform has to be one of"),
        ('"0-0" = 70', '"0" = 70', 'edit_counts.0 has to be "lowest-highest"'),
        ("1 = 70\n", "0 = 70\n", "sessions.0 has to be a whole number from 1"),
        ("see = [200, 500", "see = [900, 500", "times_ms.see has to rise"),
        ("control = 0.03", "control = 3", "click_propensity.control has to be a number between 0 and 1"),
        ("groups = [] ", "groups = [1] ", "groups has to be a list of names"),
        ("[locales]", "[locales", "cannot be read as TOML"),
    ],
)
def test_an_invalid_persona_names_file_and_field(tmp_path: Path, old: str, new: str, says: str) -> None:
    text = (FOLDER / "casual-reader.toml").read_text()
    assert old in text
    path = tmp_path / "me.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(PersonaError) as caught:
        load_personas(tmp_path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_folder_without_personas_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PersonaError, match="no personas in"):
        load_personas(tmp_path)


def test_a_language_without_names_is_refused() -> None:
    unknown = (replace(load_personas()[0], name="stranger", locales=(("tlh", 1),)),)
    with pytest.raises(PersonaError, match=r"stranger\.toml: locales\.tlh .* personas/make_name_pools\.py"):
        Plan(settings(Generation.ALPHA), unknown)
