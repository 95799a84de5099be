"""What an event has to look like, per generation of the platform: one table, read by everything that makes or judges
events.

Sources: the contract `wiki.md`, and for `xlab` the real code of September 2025 as it ran. Contextual attributes are not
here: they are what an instrument asks for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from contracts.assignment import Generation
from contracts.schemas import WEB_BASE_1_3_0, WEB_BASE_1_4_2

#: The real name of the click-through-rate instrument's code.
CTR_INSTRUMENT = "ClickThroughRateInstrument"

#: What a client sends as a subject's id as long as it does not know the subject.
PLACEHOLDER = "awaiting"


@dataclass(frozen=True, slots=True)
class IdentifierType:
    """One kind of subject.

    Attributes:
        sampling_unit: as events name it; empty where events do not.
        account_id: which of an account's ids is hashed: `user_id` (local) or `central_id` (across wikis).
        pattern: regular expression of the ids of subjects that events carry.
    """

    sampling_unit: str
    account_id: Literal["user_id", "central_id"]
    pattern: str


@dataclass(frozen=True, slots=True)
class EventProfile:
    """What the click-through-rate events of one generation look like.

    Attributes:
        schema: that they name.
        fragment: member that says the experiment: `experiments` (every enrolment) or `experiment` (one).
        required: fields that every event has, by path, besides those that the schema requires.
        forbidden: fields that no event has.
        constants: fields with one value, whatever the instrument is called.
        identifier: what the subjects of registered users are.
        coordinator: that JavaScript adds where the page names none; empty where events name none.
        beacon_is_list: whether a beacon is a JSON array, also of a single event.
    """

    schema: str
    fragment: Literal["experiments", "experiment"]
    required: tuple[str, ...]
    forbidden: tuple[str, ...]
    constants: Mapping[str, str]
    identifier: IdentifierType
    coordinator: str = ""
    beacon_is_list: bool = False

    def has(self, field: str) -> bool:
        """Return whether events may have *field*, such as `sample`."""
        return field not in self.forbidden

    def instrument_name(self, configured: str) -> str:
        """Return what events have as `instrument_name` when the instrument is called *configured*."""
        return self.constants.get("instrument_name", configured)

    def as_json(self) -> dict[str, object]:
        """Return what a client needs of this, for a program in another language."""
        return {
            "schema": self.schema, "fragment": self.fragment, "forbidden": list(self.forbidden),
            "constants": dict(self.constants), "coordinator": self.coordinator, "beaconIsList": self.beacon_is_list,
        }  # fmt: skip


PROFILES: Mapping[Generation, EventProfile] = {
    Generation.ALPHA: EventProfile(
        schema=WEB_BASE_1_3_0,
        fragment="experiments",
        required=(
            "action_source", "funnel_entry_token", "element_friendly_name", "funnel_event_sequence_position",
            "instrument_name", "experiments",
        ),
        forbidden=("experiment",),
        constants={"action_source": CTR_INSTRUMENT},
        identifier=IdentifierType("", "user_id", r"[1-9][0-9]{0,17}"),
    ),
    Generation.XLAB: EventProfile(
        schema=WEB_BASE_1_4_2,
        fragment="experiment",
        required=("funnel_entry_token", "element_friendly_name", "instrument_name", "experiment"),
        forbidden=("action_source", "funnel_event_sequence_position", "sample", "experiments"),
        constants={"instrument_name": CTR_INSTRUMENT},
        identifier=IdentifierType("mw-user", "central_id", r"[0-9a-f]{64}"),
        coordinator="xLab",
        beacon_is_list=True,
    ),
}  # fmt: skip


def profile_of(generation: Generation) -> EventProfile:
    """Return what events of *generation* look like."""
    return PROFILES[generation]
