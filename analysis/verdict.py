"""Results of checks, layers of the pipeline, and the verdict that folds the results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

#: Level of every significance test (Fabijan et al., KDD 2019): a platform watches many experiments. A run has fewer
#: than ten such tests, so fewer than one clean run in a hundred fails.
ALPHA = 0.001


class CheckStatus(StrEnum):
    """Result of one check. INVALID: the kit or its generator was at fault, so the check proves nothing."""

    PASS = "pass"  # noqa: S105 (not a password)
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    INVALID = "invalid"


class Layer(StrEnum):
    """Layers of the pipeline that can be at fault, in the order in which an event meets them."""

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
    """Result of a run as a whole."""

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
    """Result of one check of a run.

    Attributes:
        name: name of the check.
        layer: layer at fault when the check does not pass.
        status: pass, fail, inconclusive or invalid; `verdict` in verdict.json.
        summary: sentence for people: the fact and its number, then where to look.
        statistic, p_value: values of the test; None without one.
        threshold: limit that decides; None without one.
        evidence: counts and examples, as JSON values.
        matters: whether an inconclusive result makes the run inconclusive.
    """

    name: str
    layer: Layer
    status: CheckStatus
    summary: str
    statistic: float | None = None
    p_value: float | None = None
    threshold: float | None = None
    evidence: Mapping[str, object] = field(default_factory=dict)
    matters: bool = True

    @property
    def page(self) -> str:
        """Link to the check's documentation: what it detects, what it cannot, and what to do when it fails."""
        return f"docs/reference/checks.md#{self.name}"


def fold(checks: Sequence[CheckResult]) -> tuple[Verdict, CheckResult | None]:
    """Return the verdict over *checks*, and the check that decided it (None for GO).

    INVALID comes before NO-GO: a generator that did not follow the plan may have caused the failure itself. Among
    checks of the same status, the one whose layer an event meets first decides. Within a layer, a check based on counts
    takes precedence over a significance test, which only detects a consequence. An inconclusive check that does not
    matter decides nothing.
    """
    layers = list(Layer)
    deciding = [check for check in checks if check.matters or check.status is not CheckStatus.INCONCLUSIVE]
    ranked = sorted(deciding, key=lambda check: (layers.index(check.layer), check.p_value is not None))
    for status, verdict in (
        (CheckStatus.INVALID, Verdict.INVALID),
        (CheckStatus.FAIL, Verdict.NO_GO),
        (CheckStatus.INCONCLUSIVE, Verdict.INCONCLUSIVE),
    ):
        decisive = next((check for check in ranked if check.status is status), None)
        if decisive is not None:
            return verdict, decisive
    return Verdict.GO, None
