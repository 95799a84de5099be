"""Check sampling: only the experiment samples, as configured, and subjects with an override are not counted."""

from collections.abc import Mapping

from analysis.run_model.load import Evidence
from analysis.verdict import CheckResult, CheckStatus, Layer
from common.sentences import agree, count_of
from contracts.generation import Generation

_EXAMPLES = 5


def check_stream_sampling(evidence: Evidence) -> CheckResult:
    """Compare the stream sampling that events name with the instrument's config, which should send everything.

    An experiment samples subjects. Stream sampling by session or page view on top of that changes the effective rate,
    and drops some events of a subject that is in the sample.
    """
    config = evidence.plan.settings.stream_config()
    rows = evidence.engine.ask("sample_rates", observed="sent_content")
    odd = [row for row in rows if (row["rate"], row["unit"]) != (config.sample_rate, config.sample_unit)]
    detail = {"configured": {"rate": config.sample_rate, "unit": config.sample_unit}, "events": rows[:_EXAMPLES]}
    name = "stream-sampling"
    if not rows:
        reason = "No event of the instrument was sent, so its sampling is unknown."
        return CheckResult(name, Layer.TRANSPORT, CheckStatus.INCONCLUSIVE, reason, evidence=detail, matters=False)
    if odd:
        count = sum(int(str(row["events"])) for row in odd)
        summary = (
            f"{count_of(count, 'event')} {agree(count, 'names', 'name')} a stream sampled at {_sample(odd[0])}, "
            "where the "
            f"instrument's config has {_sample({'rate': config.sample_rate, 'unit': config.sample_unit})}: look at the "
            "stream configs that the wiki serves."
        )
        return CheckResult(name, Layer.TRANSPORT, CheckStatus.FAIL, summary, count, threshold=0, evidence=detail)
    if config.sample_rate is not None and config.sample_rate < 1:
        summary = (
            f"The stream is sampled at {_sample(rows[0])}, on top of the experiment's {evidence.plan.rate:.2%}: look "
            "at the instrument's sample rate."
        )
        return CheckResult(name, Layer.TRANSPORT, CheckStatus.FAIL, summary, config.sample_rate, evidence=detail)
    summary = "Only the experiment samples: the stream sends every event."
    return CheckResult(name, Layer.TRANSPORT, CheckStatus.PASS, summary, 0, threshold=0, evidence=detail)


def check_overrides(evidence: Evidence) -> CheckResult:
    """Find accounts whose group was chosen by an override and that have events of the experiment.

    Pages of the alpha generation show no difference between override and enrolment, so there it is inconclusive.
    """
    forced = sorted(evidence.overridden)
    name = "overrides"
    if evidence.manifest.generation is Generation.ALPHA:
        reason = "Pages of this generation do not show which groups were chosen by an override."
        return CheckResult(name, Layer.EXPOSURE, CheckStatus.INCONCLUSIVE, reason, matters=False)
    counted = [str(row["subject"]) for row in evidence.engine.ask("overridden_landed")]
    detail: Mapping[str, object] = {"overridden": len(forced), "counted": len(counted), "examples": counted[:_EXAMPLES]}
    if not counted:
        summary = "Subjects that chose their group by an override are not counted."
        return CheckResult(name, Layer.EXPOSURE, CheckStatus.PASS, summary, 0, threshold=0, evidence=detail)
    summary = (
        f"{count_of(len(counted), 'subject')} with an override {agree(len(counted), 'is', 'are')} counted: look at "
        "links and cookies with `mpo`, and at what marks such an enrolment as forced."
    )
    return CheckResult(name, Layer.EXPOSURE, CheckStatus.FAIL, summary, len(counted), threshold=0, evidence=detail)


def _sample(sample: Mapping[str, object]) -> str:
    rate, unit = sample["rate"], sample["unit"]
    return "no rate" if rate is None else f"{float(str(rate)):.2%} by {unit}"
