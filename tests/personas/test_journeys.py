"""Journeys: the page views of one enrolled subject."""

from hypothesis import given
from hypothesis import strategies as st

from personas.journeys import Journeys, enrolled_population, enrolled_subjects
from tests.plans import plan

SIZE = 600
journeys = Journeys(plan(), enrolled_population(SIZE))


@given(st.integers(0, SIZE - 1))
def test_a_journey_is_a_function_of_its_subject_and_group(subject: int) -> None:
    steps = journeys.of(subject, subject + 1, subject + 1)
    assert steps
    assert steps == Journeys(plan(), enrolled_population(subject + 1)).of(subject, subject + 1, subject + 1)
    assert steps[0].session == 0
    assert [step.session for step in steps] == sorted(step.session for step in steps)
    for step in steps:
        assert step.in_view or not step.clicked
        assert step.see_ms >= 0
        assert step.react_ms >= 0
        assert step.page in journeys.pages


def test_after_a_click_the_element_stays_away() -> None:
    clicked = 0
    for subject in range(SIZE):
        steps = journeys.of(subject, subject + 1, subject + 1)
        places = [position for position, step in enumerate(steps) if step.clicked]
        clicked += len(places)
        assert len(places) <= 1
        assert not any(step.in_view for position in places for step in steps[position + 1 :])
    assert clicked > 10


def test_enrolled_subjects_have_unique_names() -> None:
    participants = list(enrolled_subjects(enrolled_population(SIZE)))
    assert [person.subject for person in participants] == list(range(SIZE))
    assert len({person.name for person in participants}) == SIZE
    assert all(person.edit_count >= 0 and person.account_age_s >= 0 for person in participants)
    # Names in several scripts: the wiki has to cope with them.
    assert any(ord(letter) > 0x2E80 for person in participants for letter in person.name)
