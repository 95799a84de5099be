"""The table of `dogfood real`: one row per part, and one per failure in it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from analysis.analyse import Analysis
from analysis.calibration import Calibration
from analysis.verdict import CheckStatus, Verdict
from dogfood.doctor.diagnosis import Condition, Diagnosis
from run_record.scenario_findings import ScenarioFinding

#: Precedence of the rows' verdicts. Rows are judged separately, so NO-GO and INVALID can occur together.
_ORDER = (Verdict.NO_GO, Verdict.INVALID, Verdict.INCONCLUSIVE, Verdict.GO)


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        part: `doctor`, a fidelity, `scenario` or `calibrate`.
        subject: a check, scenario or system of the part; empty for the part as a whole.
        verdict: GO for passed, NO-GO for failed, or why the result is not known.
        summary: one sentence.
        run: name of the run with the evidence; may be empty.
    """

    part: str
    subject: str
    verdict: Verdict
    summary: str
    run: str = ""

    def to_json(self) -> Mapping[str, str]:
        """Return the row as `real.json` has it."""
        return {
            "part": self.part, "subject": self.subject, "verdict": self.verdict, "told": self.summary, "run": self.run,
        }  # fmt: skip


def decide(rows: Sequence[Row]) -> Verdict:
    """Return the verdict over *rows*: NO-GO when any row failed, else INVALID, INCONCLUSIVE, GO."""
    return min((row.verdict for row in rows), key=_ORDER.index, default=Verdict.INCONCLUSIVE)


def of_diagnoses(diagnoses: Sequence[Diagnosis]) -> Iterator[Row]:
    """Yield the row of an examination, and one for each subject that lacks something."""
    missing = [item for item in diagnoses if item.condition is Condition.MISSING]
    count = len(diagnoses)
    verdict = Verdict.NO_GO if missing else Verdict.GO
    yield Row("doctor", "", verdict, f"{count - len(missing)} of {count} subjects are ready for a run")
    for item in missing:
        yield Row("doctor", f"{item.area} {item.subject}", Verdict.NO_GO, item.summary)


def of_analysis(part: str, analysis: Analysis, run: str) -> Iterator[Row]:
    """Yield the row of a run, and one for each check that did not pass; scenarios have separate rows."""
    layer = f" (layer {analysis.layer})" if analysis.layer else ""
    yield Row(part, "", analysis.verdict, f"{analysis.sentence}{layer}", run)
    verdicts = {CheckStatus.FAIL: Verdict.NO_GO, CheckStatus.INVALID: Verdict.INVALID}
    for check in analysis.checks:
        if check.status in verdicts and check.name != "scenarios":
            yield Row(part, check.name, verdicts[check.status], f"{check.summary} (layer {check.layer})", run)


def of_findings(findings: Sequence[ScenarioFinding], run: str) -> Iterator[Row]:
    """Yield a row for each scenario that passed, and one for each failed step of the others."""
    for scenario in dict.fromkeys(finding.scenario for finding in findings):
        steps = [finding for finding in findings if finding.scenario == scenario]
        failed = [finding for finding in steps if not finding.ok]
        if not failed:
            yield Row("scenario", scenario, Verdict.GO, f"{len(steps)} steps passed", run)
        for finding in failed:
            verdict = Verdict.INVALID if finding.layer == "generator" else Verdict.NO_GO
            summary = f"{finding.step}: {finding.observation} (layer {finding.layer})"
            yield Row("scenario", scenario, verdict, summary, run)


def of_calibration(calibration: Calibration, run: str) -> Iterator[Row]:
    """Yield the row of a calibration, and one for each difference."""
    count = len(calibration.differences)
    summary = f"{count} differences between {calibration.real:,} browser events and synthetic events"
    yield Row("calibrate", "", Verdict.NO_GO if count else Verdict.GO, summary, run)
    for difference in calibration.differences:
        yield Row("calibrate", difference.partition(" ")[0].rstrip(":"), Verdict.NO_GO, difference, run)
