"""Is what is sampled sampled once, and as it is configured? Did nobody choose a group for themselves?"""

from collections.abc import Mapping

from analysis.run_model.load import Evidence
from analysis.verdict import CheckResult, CheckStatus, Layer
from contracts.assignment import Generation

_EXAMPLES = 5


def check_stream_sampling(evidence: Evidence) -> CheckResult:
    """Compare what events say of their stream's sampling with the instrument's config, which is to send everything.

    An experiment samples subjects. A stream that samples sessions or page views on top of that makes the rate another
    than anybody asked for, and lets a subject come and go.
    """
    config = evidence.plan.settings.stream_config()
    rows = evidence.engine.ask("sample_rates", observed="sent_content")
    odd = [row for row in rows if (row["rate"], row["unit"]) != (config.sample_rate, config.sample_unit)]
    detail = {"configured": {"rate": config.sample_rate, "unit": config.sample_unit}, "events": rows[:_EXAMPLES]}
    name = "stream-sampling"
    if not rows:
        why = "No event of the instrument was sent, so its sampling is not known."
        return CheckResult(name, Layer.TRANSPORT, CheckStatus.INCONCLUSIVE, why, evidence=detail, matters=False)
    if odd:
        count = sum(int(str(row["events"])) for row in odd)
        summary = (
            f"{count:,} events say that their stream is sampled at {_told(odd[0])}, where the instrument's config has "
            f"{_told({'rate': config.sample_rate, 'unit': config.sample_unit})}: look at the stream configs that the "
            "wiki serves."
        )
        return CheckResult(name, Layer.TRANSPORT, CheckStatus.FAIL, summary, count, threshold=0, evidence=detail)
    if config.sample_rate is not None and config.sample_rate < 1:
        summary = (
            f"The stream is sampled at {_told(rows[0])}, on top of the experiment's {evidence.plan.rate:.2%}: look at "
            "the instrument's sample rate."
        )
        return CheckResult(name, Layer.TRANSPORT, CheckStatus.FAIL, summary, config.sample_rate, evidence=detail)
    summary = "Events are sampled by the experiment alone: their stream sends everything."
    return CheckResult(name, Layer.TRANSPORT, CheckStatus.PASS, summary, 0, threshold=0, evidence=detail)


def check_overrides(evidence: Evidence) -> CheckResult:
    """Look for accounts that were put into their group by an override, and have events all the same.

    In alpha a page does not tell an override from an enrolment, so there this sees nothing.
    """
    forced = sorted(evidence.overridden)
    name = "overrides"
    if evidence.manifest.generation is Generation.ALPHA:
        why = "Pages of this generation do not tell who chose a group by hand."
        return CheckResult(name, Layer.EXPOSURE, CheckStatus.INCONCLUSIVE, why, matters=False)
    counted = [str(row["subject"]) for row in evidence.engine.ask("overridden_landed")]
    detail: Mapping[str, object] = {"overridden": len(forced), "counted": len(counted), "examples": counted[:_EXAMPLES]}
    if not counted:
        summary = "Nobody who chose a group by hand is counted in it."
        return CheckResult(name, Layer.EXPOSURE, CheckStatus.PASS, summary, 0, threshold=0, evidence=detail)
    summary = (
        f"{len(counted):,} subjects chose their group by an override and are counted in it: look at links and cookies "
        "with `mpo`, and at what marks such an enrolment as forced."
    )
    return CheckResult(name, Layer.EXPOSURE, CheckStatus.FAIL, summary, len(counted), threshold=0, evidence=detail)


def _told(sample: Mapping[str, object]) -> str:
    rate, unit = sample["rate"], sample["unit"]
    return "no rate" if rate is None else f"{float(str(rate)):.2%} by {unit}"
