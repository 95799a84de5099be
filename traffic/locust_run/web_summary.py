"""A run's summary for Locust's web page: events offered, sent and answered so far, by outcome."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.errors import DogfoodError
from contracts.intake import EventOutcome
from run_record.end_reason import End
from run_record.load_report.report import LoadReport
from run_record.manifest import Manifest
from traffic.locust_run.ledger_progress import Progress

#: Columns of the table, in the form that Locust's page needs.
TABLE = [
    {"key": "fate", "title": "Fate so far"},
    {"key": "events", "title": "Events"},
    {"key": "meaning", "title": "Meaning"},
]

_MEANINGS = {
    EventOutcome.OK: "the intake accepted it; whether its row landed is known when the run is judged",
    EventOutcome.INVALID: "the intake refused it: not valid under its schema, or an unknown stream",
    EventOutcome.ERROR: "the intake failed",
    EventOutcome.INDETERMINATE: "no answer, or 202 (received before validation): it may have landed or not",
}


class RunView:
    """The summary of the run in *folder*; reads each row of its ledger once.

    Attributes:
        folder: folder of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._progress = Progress(folder)

    def table(self) -> list[dict[str, Any]]:
        """Return rows for `TABLE`."""
        counts = self._progress.look()
        answered = sum(counts.answered.values())
        rows = [{"fate": "sent", "events": counts.offered, "meaning": "written to the ledger, then sent"}]
        rows += [
            {"fate": f"answered: {outcome}", "events": events, "meaning": _MEANINGS.get(outcome, "")}
            for outcome, events in counts.answered.items()
        ]
        rows.append({"fate": "in flight", "events": counts.offered - answered, "meaning": "no answer yet"})
        return rows

    def state(self) -> Mapping[str, Any]:
        """Return the data of the run's page; without readable files, its counts only."""
        content: dict[str, Any] = {"run": self.folder.name, "rows": self.table(), "load": None}
        counts = self._progress.look()
        delays = {"lag": counts.lag, "latency": counts.latency}
        content["delays"] = [
            {"name": name, "p50": delay.p50_ms, "p99": delay.p99_ms, "max": delay.max_ms}
            for name, delay in delays.items()
        ]
        try:
            manifest = Manifest.read(self.folder)
            content |= {"intake": manifest.target["intake"], "ended": _ended(manifest)}
            load = LoadReport.read(self.folder) if manifest.ended else None
        except DogfoodError:
            return content
        if load is not None:
            names = ("offered", "sent", "answered", "accepted", "late", "dropped")
            content["load"] = {name: getattr(load, name) for name in names} | {"invalid": load.invalid}
        return content


def _ended(manifest: Manifest) -> str:
    return str(End(manifest.ended)) if manifest.ended else ""
