"""The verdict on a run, as readings."""

from collections.abc import Mapping
from pathlib import Path

import orjson

from analysis.analyse import VERDICT
from analysis.verdict import CheckStatus, Verdict
from traffic.metrics import Kind, MetricSample, Point


def verdict_readings(run: Path) -> list[MetricSample]:
    """Return the readings of the verdict on the run in the folder *run*; without values where there is none yet."""
    content = _read(run / VERDICT)
    of_run = {"run": run.name}
    fates = content.get("reconciliation")
    checks = content.get("checks")
    return [
        MetricSample("dogfood_verdict", Kind.GAUGE, "verdicts", "1 for the verdict that was given, 0 for the others.",
                [Point({**of_run, "verdict": str(word)}, int(content["verdict"] == word)) for word in Verdict]
                if content else []),
        MetricSample("dogfood_events_reconciled", Kind.GAUGE, "events",
                "Events by their fate between the wire and the table: ok is delivered; lost, duplicated, … are not.",
                [Point({**of_run, "fate": str(name)}, float(count)) for name, count in fates.items()]
                if isinstance(fates, Mapping) else []),
        MetricSample("dogfood_checks", Kind.GAUGE, "checks", "Checks by what they said.",
                [Point({**of_run, "outcome": str(outcome)}, _count(checks, outcome)) for outcome in CheckStatus]
                if isinstance(checks, list) else []),
        MetricSample("dogfood_failed_checks", Kind.GAUGE, "checks", "1 for each check that failed, with its layer.",
                [Point({**of_run, "check": str(check["name"]), "layer": str(check["layer"])}, 1)
                 for check in checks if check["verdict"] == CheckStatus.FAIL] if isinstance(checks, list) else []),
    ]  # fmt: skip


def _count(checks: list[Mapping[str, object]], outcome: CheckStatus) -> int:
    return sum(check["verdict"] == outcome for check in checks)


def _read(path: Path) -> Mapping[str, object]:
    try:
        content: object = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) and "verdict" in content else {}
