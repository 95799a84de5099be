"""The fault catalogue: faults of the testbed that can be switched on (`dogfood up --fault ID`).

`python -m testbed.faults` prints the catalogue as NDJSON. The switches are next to the code that they break:

- wiki and client: `testbed.wiki.wiki_faults`;
- transport, intake, stream and generator: `testbed.intake.intake_faults`;
- table: `testbed.table.ingest_faults`.

A switch replaces components when a service starts; the components themselves contain no fault code.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

import orjson

from common.errors import DogfoodError
from contracts.generation import Generation
from testbed.http_server import guarded


class FaultLocation(StrEnum):
    """The part of the testbed that has a fault's switch."""

    WIKI = "wiki"
    INTAKE = "intake"
    TABLE = "table"


class Fault(NamedTuple):
    """One fault.

    Attributes:
        id: name in the catalogue.
        layer: layer of the pipeline at fault.
        location: part of the testbed that has the switch.
        what: effect, in one sentence.
        fidelity: cheapest fidelity that shows the fault: `synthetic`, `wiki` or `browser`.
        generation: generation of the platform in which the fault shows.
    """

    id: str
    layer: str
    location: FaultLocation
    what: str
    fidelity: str
    generation: Generation = Generation.ALPHA


class UnknownFaultError(DogfoodError):
    """The catalogue has no fault of that name."""


_XLAB = Generation.XLAB

FAULTS: tuple[Fault, ...] = (
    Fault("local-id", "assignment", FaultLocation.WIKI,
          "The wiki hashes the wrong one of the user's two ids (local and central) for its generation.", "wiki", _XLAB),
    Fault("off-by-one", "assignment", FaultLocation.WIKI,
          "The last slice of each group's share of the sample falls into the next group.", "wiki"),
    Fault("modulo", "assignment", FaultLocation.WIKI,
          "The group is the user id modulo the number of groups: the split is even, but the same in every experiment.",
          "wiki"),
    Fault("rate-key", "assignment", FaultLocation.WIKI,
          "The wiki ignores its own entry among the sample rates and uses the default rate.", "wiki"),
    Fault("not-sticky", "assignment", FaultLocation.WIKI,
          "In 3 % of sessions the user is assigned to another group.", "wiki"),
    Fault("mpic-unreachable", "config", FaultLocation.WIKI,
          "The wiki cannot reach MPIC: pages load, but nobody is enrolled.", "wiki"),
    Fault("mpic-malformed", "config", FaultLocation.WIKI,
          "MPIC's response is not valid JSON, and pages of logged-in users fail.", "wiki"),
    Fault("stale-config", "config", FaultLocation.WIKI,
          "Half of the page views use a config from before the experiment was switched on.", "wiki"),
    Fault("off-still-sends", "config", FaultLocation.WIKI,
          "The wiki caches configs for a day: an experiment that is switched off goes on.", "browser"),
    Fault("one-group-only", "exposure", FaultLocation.WIKI,
          "The instrument starts in the treatment group only.", "browser"),
    Fault("eligibility", "exposure", FaultLocation.WIKI,
          "Users with few edits are excluded from the treatment group, but not from control.", "wiki"),
    Fault("late-record", "exposure", FaultLocation.WIKI,
          "The treatment loads for seconds before its instrument starts: users who leave earlier are not counted.",
          "browser"),
    Fault("self-assign", "exposure", FaultLocation.WIKI,
          "One user in twenty follows a link that forces the group, and is counted in it.", "wiki", _XLAB),
    Fault("child-click", "instrument", FaultLocation.WIKI,
          "A click on a child of the element is not counted.", "browser"),
    Fault("double-listener", "instrument", FaultLocation.WIKI,
          "Both the element and its parent have a listener: a click counts twice.", "browser"),
    Fault("names-missing", "instrument", FaultLocation.WIKI,
          "Events lack the names of instrument and element.", "browser"),
    Fault("sequence", "instrument", FaultLocation.WIKI,
          "Every event of a funnel has position 1.", "browser"),
    Fault("schema-version", "instrument", FaultLocation.WIKI,
          "Events name a schema version that does not exist: the intake responds 202 and drops them.", "browser"),
    Fault("subject-awaiting", "instrument", FaultLocation.WIKI,
          "The subject id is never filled in: it is `awaiting` in every event.", "browser", _XLAB),
    Fault("unload-loss", "transport", FaultLocation.WIKI,
          "Events still in the queue are lost when the user leaves the page.", "browser"),
    Fault("wrong-intake", "transport", FaultLocation.WIKI,
          "Beacons go to an address where nothing listens.", "browser"),
    Fault("loss-by-group", "transport", FaultLocation.INTAKE,
          "2 % of the treatment group's events never reach the intake: the connection is closed without a response.",
          "synthetic"),
    Fault("double-sampling", "transport", FaultLocation.WIKI,
          "The stream is sampled at one half, in addition to the experiment's sampling.", "wiki"),
    Fault("hasty-invalid", "intake", FaultLocation.INTAKE,
          "The intake takes 5 % of the events for invalid: it responds 202 and drops them.", "synthetic"),
    Fault("no-meta-dt", "intake", FaultLocation.INTAKE,
          "The intake does not fill in the receive time, so every event is invalid.", "synthetic"),
    Fault("silent-intake", "intake", FaultLocation.INTAKE,
          "For part of the run the intake responds 202 and produces nothing.", "synthetic"),
    Fault("wrong-stream", "stream", FaultLocation.INTAKE,
          "Events are produced to a stream other than the one that they name.", "synthetic"),
    Fault("duplicates", "stream", FaultLocation.INTAKE,
          "Some batches are produced twice, as after a retry; half of the copies have new ids.",
          "synthetic"),
    Fault("canary-kept", "table", FaultLocation.TABLE,
          "Ingestion does not drop canary events, so they count as traffic.", "synthetic"),
    Fault("truncated-group", "table", FaultLocation.TABLE,
          "The assigned group loses its last character.", "synthetic"),
    Fault("late-partition", "table", FaultLocation.TABLE,
          "The newest hour is not ingested yet when the table is read.", "synthetic"),
    Fault("bot-filter", "table", FaultLocation.TABLE,
          "Ingestion drops users with many events as bots, at a lower bar in treatment groups.", "synthetic"),
    Fault("slow-generator", "generator", FaultLocation.INTAKE,
          "The load generator stops for some seconds, and sends the events due then late.", "synthetic"),
)  # fmt: skip

#: Treatment groups of the testbed's experiments: a fault of one group hits these.
TREATMENTS = frozenset({"true", "treatment"})


def choose(words: Iterable[str]) -> tuple[Fault, ...]:
    """Return the faults named in *words*, each once; a word may hold several names, separated by commas.

    Raises:
        UnknownFaultError: a name is not in the catalogue.
    """
    known = {fault.id: fault for fault in FAULTS}
    names = [name.strip() for word in words for name in word.split(",") if name.strip()]
    if unknown := [name for name in names if name not in known]:
        raise UnknownFaultError(f"there is no fault {unknown[0]!r}; choose among {', '.join(known)}")
    return tuple(known[name] for name in dict.fromkeys(names))


def choose_at(location: FaultLocation, words: Iterable[str]) -> tuple[str, ...]:
    """Return the ids of the faults named in *words* that are switched in *location*. Raises UnknownFaultError."""
    return tuple(fault.id for fault in choose(words) if fault.location is location)


def main() -> None:
    """Print the catalogue."""
    for fault in FAULTS:
        print(orjson.dumps(fault._asdict()).decode())


if __name__ == "__main__":
    guarded(main)
