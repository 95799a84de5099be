"""One table of what held and what did not: a row a part, and a row more for each thing in it that did not hold."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from analysis.analyse import Analysis
from analysis.calibration import Calibration
from analysis.verdict import CheckStatus, Verdict
from dogfood.doctor.diagnosis import Condition, Diagnosis
from run_record.scenario_findings import ScenarioFinding

#: Which verdict of a row decides about the table. Rows are judged one by one, so a NO-GO stands beside an INVALID row.
_ORDER = (Verdict.NO_GO, Verdict.INVALID, Verdict.INCONCLUSIVE, Verdict.GO)


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        part: `doctor`, a fidelity, `scenario` or `calibrate`.
        subject: within the part: a check, a scenario, a system; empty for the part as a whole.
        verdict: whether it held (GO), did not (NO-GO), or why that is not known.
        told: one sentence.
        run: name of the run that shows it; empty where there is none.
    """

    part: str
    subject: str
    verdict: Verdict
    told: str
    run: str = ""


def decide(rows: Sequence[Row]) -> Verdict:
    """Return the verdict over *rows*: NO-GO when anything did not hold, else INVALID, INCONCLUSIVE, GO."""
    return min((row.verdict for row in rows), key=_ORDER.index, default=Verdict.INCONCLUSIVE)


def of_diagnoses(diagnoses: Sequence[Diagnosis]) -> Iterator[Row]:
    """Yield the row of an examination, and one for each thing that is missing."""
    missing = [item for item in diagnoses if item.condition is Condition.MISSING]
    count = len(diagnoses)
    verdict = Verdict.NO_GO if missing else Verdict.GO
    yield Row("doctor", "", verdict, f"{count - len(missing)} of {count} things are as a run needs them")
    for item in missing:
        yield Row("doctor", f"{item.area} {item.subject}", Verdict.NO_GO, item.told)


def of_analysis(part: str, analysis: Analysis, run: str) -> Iterator[Row]:
    """Yield the row of a run, and one for each check that did not pass; scenarios have rows of their own."""
    layer = f" (layer {analysis.layer})" if analysis.layer else ""
    yield Row(part, "", analysis.verdict, f"{analysis.sentence}{layer}", run)
    verdicts = {CheckStatus.FAIL: Verdict.NO_GO, CheckStatus.INVALID: Verdict.INVALID}
    for check in analysis.checks:
        if check.verdict in verdicts and check.name != "scenarios":
            yield Row(part, check.name, verdicts[check.verdict], f"{check.summary} (layer {check.layer})", run)


def of_findings(findings: Sequence[ScenarioFinding], run: str) -> Iterator[Row]:
    """Yield a row for each scenario whose steps were all as they should be, and one for each step that was not."""
    for scenario in dict.fromkeys(finding.scenario for finding in findings):
        mine = [finding for finding in findings if finding.scenario == scenario]
        wrong = [finding for finding in mine if not finding.ok]
        if not wrong:
            yield Row("scenario", scenario, Verdict.GO, f"{len(mine)} steps are as they should be", run)
        for finding in wrong:
            verdict = Verdict.INVALID if finding.layer == "generator" else Verdict.NO_GO
            told = f"{finding.step}: {finding.observation} (layer {finding.layer})"
            yield Row("scenario", scenario, verdict, told, run)


def of_calibration(found: Calibration, run: str) -> Iterator[Row]:
    """Yield the row of a calibration, and one for each difference."""
    told = f"{len(found.differences)} differences between {found.real:,} events of browsers and synthetic ones"
    yield Row("calibrate", "", Verdict.NO_GO if found.differences else Verdict.GO, told, run)
    for difference in found.differences:
        yield Row("calibrate", difference.partition(" ")[0].rstrip(":"), Verdict.NO_GO, difference, run)
