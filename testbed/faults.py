"""The fault catalogue: what can be made to go wrong in the testbed, each a switch (`dogfood up --fault ID`).

`python -m testbed.faults` prints it as NDJSON. The switches themselves are where the faults are: those of the wiki and
its client in `testbed.wiki.wiki_faults`, those of transport, intake, stream and generator in `testbed.intake.intake_faults`, those
of the table in `testbed.table.ingest_faults`. Nothing else knows of them: they put in other parts at the start.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

import orjson

from common.errors import DogfoodError
from contracts.assignment import Generation
from testbed.http_server import guarded


class FaultLocation(StrEnum):
    """The part of the testbed that has a fault's switch."""

    WIKI = "wiki"
    INTAKE = "intake"
    TABLE = "table"


class Fault(NamedTuple):
    """One fault.

    Attributes:
        id: as in the catalogue.
        layer: of the pipeline that is wrong.
        place: that has the switch.
        what: happens, in a sentence.
        fidelity: the cheapest that can show it: `synthetic`, `wiki` or `browser`.
        generation: of the platform that shows it; both may have it.
    """

    id: str
    layer: str
    place: FaultLocation
    what: str
    fidelity: str
    generation: Generation = Generation.ALPHA


class UnknownFaultError(DogfoodError):
    """There is no such fault."""


_XLAB = Generation.XLAB

FAULTS: tuple[Fault, ...] = (
    Fault("local-id", "assignment", FaultLocation.WIKI,
          "The wiki hashes another of the user's ids than its generation has it.", "wiki", _XLAB),
    Fault("off-by-one", "assignment", FaultLocation.WIKI,
          "The last slice of each group's part of the sample falls into the next group.", "wiki"),
    Fault("modulo", "assignment", FaultLocation.WIKI,
          "The group is the user id modulo the number of groups: an even split, and the same in every experiment.",
          "wiki"),
    Fault("rate-key", "assignment", FaultLocation.WIKI,
          "The wiki's own sample rate, which is a key, is passed over for the default.", "wiki"),
    Fault("not-sticky", "assignment", FaultLocation.WIKI,
          "In 3 % of sessions the user is put into another group.", "wiki"),
    Fault("mpic-unreachable", "config", FaultLocation.WIKI,
          "The wiki cannot reach MPIC: pages are fine, and nobody is enrolled.", "wiki"),
    Fault("mpic-malformed", "config", FaultLocation.WIKI,
          "MPIC's answer is no JSON, and pages of users with accounts break over it.", "wiki"),
    Fault("stale-config", "config", FaultLocation.WIKI,
          "Half of the page views still have the config of before the experiment was switched on.", "wiki"),
    Fault("off-still-sends", "config", FaultLocation.WIKI,
          "The wiki keeps the configs it has for a day: an experiment that is switched off goes on.", "browser"),
    Fault("one-group-only", "exposure", FaultLocation.WIKI,
          "The instrument is started in the treatment group only.", "browser"),
    Fault("eligibility", "exposure", FaultLocation.WIKI,
          "Users with few edits are left out of the treatment group, and kept in control.", "wiki"),
    Fault("late-record", "exposure", FaultLocation.WIKI,
          "The treatment loads for seconds before its instrument is started: those who leave before are not counted.",
          "browser"),
    Fault("self-assign", "exposure", FaultLocation.WIKI,
          "One user in twenty comes by a link that forces the group, and is counted in it.", "wiki", _XLAB),
    Fault("child-click", "instrument", FaultLocation.WIKI,
          "A click on something inside the element is not counted.", "browser"),
    Fault("double-listener", "instrument", FaultLocation.WIKI,
          "The element and the one around it are both listened to: a click counts twice.", "browser"),
    Fault("names-missing", "instrument", FaultLocation.WIKI,
          "Events name neither their instrument nor the element.", "browser"),
    Fault("sequence", "instrument", FaultLocation.WIKI,
          "Every event of a funnel is at position 1.", "browser"),
    Fault("schema-version", "instrument", FaultLocation.WIKI,
          "Events name a version of the schema that does not exist, and are dropped behind a 202.", "browser"),
    Fault("subject-awaiting", "instrument", FaultLocation.WIKI,
          "The subject id is never filled in: every event calls its subject `awaiting`.", "browser", _XLAB),
    Fault("unload-loss", "transport", FaultLocation.WIKI,
          "Events that wait in the queue are lost when the page is left.", "browser"),
    Fault("wrong-intake", "transport", FaultLocation.WIKI,
          "Beacons go to an address where nobody listens.", "browser"),
    Fault("loss-by-group", "transport", FaultLocation.INTAKE,
          "2 % of the treatment group's events never reach the intake: the connection is cut without an answer.",
          "synthetic"),
    Fault("double-sampling", "transport", FaultLocation.WIKI,
          "The stream is sampled at one half, on top of the experiment's own sampling.", "wiki"),
    Fault("hasty-invalid", "intake", FaultLocation.INTAKE,
          "5 % of the events are held invalid, and dropped behind a 202.", "synthetic"),
    Fault("no-meta-dt", "intake", FaultLocation.INTAKE,
          "The intake does not fill in the receive time, and so holds every event invalid.", "synthetic"),
    Fault("silent-intake", "intake", FaultLocation.INTAKE,
          "For a part of the run the intake answers 202 and produces nothing.", "synthetic"),
    Fault("wrong-stream", "stream", FaultLocation.INTAKE,
          "Events are produced to another stream than the one that they name.", "synthetic"),
    Fault("duplicates", "stream", FaultLocation.INTAKE,
          "Some batches are produced twice, as by a retry, and half of those a second time under new ids.",
          "synthetic"),
    Fault("canary-kept", "table", FaultLocation.TABLE,
          "Ingestion does not drop canary events, which so count as traffic.", "synthetic"),
    Fault("truncated-group", "table", FaultLocation.TABLE,
          "The assigned group loses its last character.", "synthetic"),
    Fault("late-partition", "table", FaultLocation.TABLE,
          "The newest hour is not ingested yet when the table is looked at.", "synthetic"),
    Fault("bot-filter", "table", FaultLocation.TABLE,
          "Ingestion drops users with many events as bots, with a lower bar in the treatment group.", "synthetic"),
    Fault("slow-generator", "generator", FaultLocation.INTAKE,
          "The load generator stands still for some seconds, and sends what was due in them late.", "synthetic"),
)  # fmt: skip

#: Groups that treat, in the experiments that the testbed is used for: what hits one group hits these.
TREATMENTS = frozenset({"true", "treatment"})


def choose(words: Iterable[str]) -> tuple[Fault, ...]:
    """Return the faults that *words* name, each once; a word may name several with commas.

    Raises:
        UnknownFaultError: there is none of a name.
    """
    known = {fault.id: fault for fault in FAULTS}
    names = [name.strip() for word in words for name in word.split(",") if name.strip()]
    if unknown := [name for name in names if name not in known]:
        raise UnknownFaultError(f"there is no fault {unknown[0]!r}: {', '.join(known)}")
    return tuple(known[name] for name in dict.fromkeys(names))


def choose_at(place: FaultLocation, words: Iterable[str]) -> tuple[str, ...]:
    """Return the ids of those faults that *words* name and whose switch is at *place*. Raises UnknownFaultError."""
    return tuple(fault.id for fault in choose(words) if fault.place is place)


def main() -> None:
    """Print the catalogue."""
    for fault in FAULTS:
        print(orjson.dumps(fault._asdict()).decode())


if __name__ == "__main__":
    guarded(main)
