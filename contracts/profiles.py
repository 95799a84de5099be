"""Event profiles: the fields that events of each generation must and must not have.

Code that creates events and code that judges them read this one table.

Sources: the contract `wiki.md`, and for `xlab` the deployed code of September 2025. Contextual attributes are not
part of a profile, as each instrument requests its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from contracts.generation import Generation
from contracts.schemas import WEB_BASE_1_3_0, WEB_BASE_1_4_2

#: Name of the click-through-rate instrument in the platform's code.
CTR_INSTRUMENT = "ClickThroughRateInstrument"

#: Subject id that a client sends while it does not know the subject.
PLACEHOLDER = "awaiting"


@dataclass(frozen=True, slots=True)
class IdentifierType:
    """A type of subject ids.

    Attributes:
        sampling_unit: name of the unit in events; empty when events do not name it.
        account_id: the account's id that is hashed: `user_id` (local) or `central_id` (across wikis).
        pattern: regular expression of the subject ids in events.
    """

    sampling_unit: str
    account_id: Literal["user_id", "central_id"]
    pattern: str


@dataclass(frozen=True, slots=True)
class EventProfile:
    """The shape of the click-through-rate events of one generation.

    Attributes:
        schema: URI of their schema.
        fragment: member with the experiment: `experiments` (every enrolment) or `experiment` (one).
        required: paths of the fields that every event has, besides those that the schema requires.
        forbidden: fields that no event has.
        constants: fields with a fixed value, which does not depend on the instrument's name.
        identifier: type of the subject ids of registered users.
        coordinator: value that JavaScript adds when the page has none; empty when events have no such field.
        beacon_is_list: whether a beacon is a JSON array, also for a single event.
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
        """Return the `instrument_name` of events whose instrument is *configured* under this name."""
        return self.constants.get("instrument_name", configured)

    def as_json(self) -> dict[str, object]:
        """Return the fields that a client in another language needs."""
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
    """Return the profile of *generation*."""
    return PROFILES[generation]
