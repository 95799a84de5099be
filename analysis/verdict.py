"""What checks answer, and how the verdict follows from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

#: A platform watches many experiments, so every test of chance is read at 0.001 (Fabijan et al., KDD 2019). A run is
#: asked fewer than ten of them, so that fewer than one clean run in a hundred is called.
ALPHA = 0.001


class CheckStatus(StrEnum):
    """What one check says. INVALID: the kit or its generator was at fault, so the check proves nothing."""

    PASS = "pass"  # noqa: S105 (not a password)
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    INVALID = "invalid"


class Layer(StrEnum):
    """Where in the pipeline something is wrong, in the order in which an event meets the layers."""

    CONFIG = "config"
    ASSIGNMENT = "assignment"
    EXPOSURE = "exposure"
    INSTRUMENT = "instrument"
    TRANSPORT = "transport"
    INTAKE = "intake"
    STREAM = "stream"
    TABLE = "table"
    GENERATOR = "generator"


class Verdict(StrEnum):
    """What a run says as a whole."""

    GO = "GO"
    NO_GO = "NO-GO"
    INCONCLUSIVE = "INCONCLUSIVE"
    INVALID = "INVALID"

    @property
    def exit_code(self) -> int:
        """The command line's exit code."""
        return {Verdict.GO: 0, Verdict.NO_GO: 1, Verdict.INCONCLUSIVE: 3, Verdict.INVALID: 4}[self]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check found.

    Attributes:
        name: of the check.
        layer: that is wrong when it does not pass.
        verdict: pass, fail, inconclusive or invalid.
        summary: one sentence for people.
        statistic, p_value: of the test, None when there is none.
        threshold: the value that decides, None when there is none.
        evidence: counts, examples; JSON values.
        matters: whether a run is inconclusive when this check is.
    """

    name: str
    layer: Layer
    verdict: CheckStatus
    summary: str
    statistic: float | None = None
    p_value: float | None = None
    threshold: float | None = None
    evidence: Mapping[str, object] = field(default_factory=dict)
    matters: bool = True

    @property
    def page(self) -> str:
        """Where it is written what the check sees, what it cannot, and what to do when it fails."""
        return f"docs/reference/checks.md#{self.name}"


def fold(checks: Sequence[CheckResult]) -> tuple[Verdict, CheckResult | None]:
    """Return the verdict over *checks*, and the check that decided it (None for GO).

    INVALID comes before NO-GO: when the generator did not do what the plan says, a failure may be its doing.
    Between checks of the same kind, the one whose layer an event meets first decides; between those of the same layer,
    one that has counted before one that has tested for chance, which only sees a consequence of it. A check that does
    not matter and is inconclusive decides nothing.
    """
    layers = list(Layer)
    deciding = [check for check in checks if check.matters or check.verdict is not CheckStatus.INCONCLUSIVE]
    ranked = sorted(deciding, key=lambda check: (layers.index(check.layer), check.p_value is not None))
    for outcome, verdict in (
        (CheckStatus.INVALID, Verdict.INVALID),
        (CheckStatus.FAIL, Verdict.NO_GO),
        (CheckStatus.INCONCLUSIVE, Verdict.INCONCLUSIVE),
    ):
        decisive = next((check for check in ranked if check.verdict is outcome), None)
        if decisive is not None:
            return verdict, decisive
    return Verdict.GO, None
