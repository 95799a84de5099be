"""The results of `dogfood faults` as JUnit XML, as JSON and as a Markdown matrix."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from analysis.analyse import Analysis
from analysis.verdict import Verdict
from common.atomic_write import atomic_write
from common.errors import DogfoodError
from common.junit_xml import Case, CaseStatus, suite_xml
from dogfood.faults.runs import Row


@dataclass(frozen=True, slots=True)
class CleanRuns:
    """Runs without a fault.

    Attributes:
        verdicts: verdict of each run, in order.
        called: verdict, checks and sentence of each false alarm: a NO-GO or INVALID run.
        seconds: duration of all runs.
    """

    verdicts: tuple[str, ...] = ()
    called: tuple[Mapping[str, object], ...] = ()
    seconds: float = 0.0

    def with_run(self, analysis: Analysis, checks: Sequence[str], seconds: float) -> "CleanRuns":
        """Return these runs and one more."""
        called: tuple[Mapping[str, object], ...] = ()
        if analysis.verdict in (Verdict.NO_GO, Verdict.INVALID):
            called = ({"verdict": str(analysis.verdict), "checks": list(checks), "sentence": analysis.sentence},)
        return replace(
            self,
            verdicts=(*self.verdicts, str(analysis.verdict)),
            called=(*self.called, *called),
            seconds=self.seconds + seconds,
        )

    @property
    def are_clean(self) -> bool:
        """Whether there was no false alarm."""
        return not self.called

    def summary(self) -> str:
        """Return the number of runs by verdict, as text."""
        if not self.verdicts:
            return "no clean runs"
        counts = ", ".join(f"{self.verdicts.count(word)} {word}" for word in dict.fromkeys(self.verdicts))
        return f"{len(self.verdicts)} clean runs: {counts}"

    def to_json(self) -> Mapping[str, object]:
        """Return the runs for `--json`."""
        return {
            "runs": len(self.verdicts),
            "verdicts": list(self.verdicts),
            "called": list(self.called),
            "seconds": round(self.seconds, 1),
        }


def junit(rows: Sequence[Row], runs: CleanRuns) -> bytes:
    """Return the faults as test cases in JUnit XML; a fault that was not detected in its layer is a failure."""
    cases = [_fault_case(row) for row in rows]
    for number, verdict in enumerate(runs.verdicts, start=1):
        failed = verdict in (Verdict.NO_GO, Verdict.INVALID)
        status = CaseStatus.FAILURE if failed else CaseStatus.PASSED
        message = f"a clean run was {verdict}" if failed else ""
        cases.append(Case("faults.clean", f"clean-{number}", status, message))
    return suite_xml("faults", cases)


def _fault_case(row: Row) -> Case:
    classname = f"faults.{row.layer_expected}"
    if row.detected:
        return Case(classname, row.id, seconds=row.seconds)
    message = f"{row.layer_expected} was expected, {row.layer_named or 'nothing'} was named"
    return Case(classname, row.id, CaseStatus.FAILURE, message, row.sentence, row.seconds)


def matrix(rows: Sequence[Row], runs: CleanRuns) -> str:
    """Return the matrix as Markdown."""
    lines = [
        "| fault | layer expected | layer named | checks that fired | subjects | seconds | what the user reads |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| `{row.id}` | {row.layer_expected} | {row.layer_named or '**none**'}{'' if row.detected else ' ✗'} | "
        f"{', '.join(row.checks)} | {row.subjects:,} | {row.seconds:.0f} | {row.sentence.replace('|', chr(92) + '|')} |"
        for row in rows
    ]
    detected = sum(row.detected for row in rows)
    seconds = sum(row.seconds for row in rows) + runs.seconds
    total = (
        f"{detected} of {len(rows)} detected, each in its layer; {runs.summary()}; {seconds / 60:.0f} minutes of runs."
    )
    return "\n".join([*lines, "", total])


def replace_between_marks(path: Path, name: str, text: str) -> None:
    """Replace the text between `<!-- name -->` and `<!-- /name -->` in the file at *path*, atomically.

    Raises:
        DogfoodError: the file has no such marks.
    """
    before, begin, rest = path.read_text(encoding="utf-8").partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition(f"<!-- /{name} -->")
    if not begin or not end:
        raise DogfoodError(f"{path} has no marks for the table; add <!-- {name} --> and <!-- /{name} -->")
    atomic_write(path, f"{before}{begin}\n{text}\n\n{end}{after}".encode())
