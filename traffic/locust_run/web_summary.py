"""A run as Locust's web page shows it: what was offered, sent and answered so far, by outcome."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.errors import DogfoodError
from contracts.intake import EventOutcome
from run_record.end_reason import End
from run_record.load_report.report import LoadReport
from run_record.manifest import Manifest
from traffic.locust_run.ledger_progress import Progress

#: Columns of the table, as Locust's page wants them.
TABLE = [
    {"key": "fate", "title": "Fate so far"},
    {"key": "events", "title": "Events"},
    {"key": "meaning", "title": "Meaning"},
]

_MEANINGS = {
    EventOutcome.OK: "the intake accepted it; whether its row landed is known when the run is judged",
    EventOutcome.INVALID: "the intake refused it: not valid under its schema, or no stream of it",
    EventOutcome.ERROR: "the intake failed to take it",
    EventOutcome.INDETERMINATE: "no answer, or 202 (received before validation): it may have landed or not",
}


class RunView:
    """Counts the run in *folder*; looks at each row of its ledger once.

    Attributes:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._progress = Progress(folder)

    def table(self) -> list[dict[str, Any]]:
        """Return rows for `TABLE`."""
        counts = self._progress.look()
        answered = sum(counts.answered.values())
        rows = [{"fate": "sent", "events": counts.offered, "meaning": "in the ledger, then put on the wire"}]
        rows += [
            {"fate": f"answered: {outcome}", "events": events, "meaning": _MEANINGS.get(outcome, "")}
            for outcome, events in counts.answered.items()
        ]
        rows.append({"fate": "under way", "events": counts.offered - answered, "meaning": "no answer yet"})
        return rows

    def state(self) -> Mapping[str, Any]:
        """Return what the page of the run shows. A run whose files cannot be read shows only its name."""
        shown: dict[str, Any] = {"run": self.folder.name, "rows": self.table(), "load": None}
        counts = self._progress.look()
        delays = {"lag": counts.lag, "latency": counts.latency}
        shown["delays"] = [
            {"name": name, "p50": delay.p50_ms, "p99": delay.p99_ms, "max": delay.max_ms}
            for name, delay in delays.items()
        ]
        try:
            manifest = Manifest.read(self.folder)
            shown |= {"intake": manifest.target["intake"], "ended": _ended(manifest)}
            load = LoadReport.read(self.folder) if manifest.ended else None
        except DogfoodError:
            return shown
        if load is not None:
            names = ("offered", "sent", "answered", "accepted", "late", "dropped")
            shown["load"] = {name: getattr(load, name) for name in names} | {"invalid": load.invalid}
        return shown


def _ended(manifest: Manifest) -> str:
    return str(End(manifest.ended)) if manifest.ended else ""
