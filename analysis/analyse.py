"""Analysis of a run: evidence in, verdict out, written as `verdict.json` and `report.html`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import orjson

from analysis.checks import checks_of, nobody_enrolled
from analysis.checks.delivery import FATES, reconcile
from analysis.checks.wiki import EnrolmentPath, count_enrolment_paths
from analysis.engines.warehouse import Warehouse
from analysis.inputs.description import InputSummary, ObservedKind
from analysis.memory import out_of_memory
from analysis.run_model.load import Evidence, load_evidence
from analysis.statistics import share_interval
from analysis.summaries.delays import Delay, delays
from analysis.summaries.effects import GroupDifference, GroupRate, Power, differences, power, rates
from analysis.summaries.funnel import StageCount, count_stages
from analysis.summaries.losses import GroupLoss, losses
from analysis.summaries.segments import SegmentCount, count_segments
from analysis.summaries.timeline import TimeBucket
from analysis.unsendable import find_unsendable, run_facts
from analysis.verdict import CheckResult, Layer, Verdict, fold
from common.atomic_write import atomic_write
from common.errors import DogfoodError, KitFaultError
from common.sentences import count_of
from contracts.assignment import expected_shares
from run_record.manifest import Manifest
from run_record.scenario_findings import ScenarioFinding

_COUNTED = ("subjects", "impressions", "clicks")

VERDICT, REPORT = "verdict.json", "report.html"


@dataclass(frozen=True, slots=True)
class GroupCount:
    """Expected and landed subjects of one group, with its landed events.

    Attributes:
        name: name of the group.
        expected_share: exact expected share of the landed subjects.
        expected_subjects: that share of the number of landed subjects.
        assigned: subjects that the contract assigns to the group.
        landed: distinct subjects of the group in the table.
        landed_share, low, high: share of the landed subjects with its 95 % Wilson interval.
        impressions, clicks: number of landed events.
    """

    name: str
    expected_share: float
    expected_subjects: float
    assigned: int
    landed: int
    landed_share: float
    low: float
    high: float
    impressions: int
    clicks: int


@dataclass(frozen=True, slots=True)
class Analysis:
    """Verdict on a run, with the results and counts that it rests on."""

    verdict: Verdict
    layer: Layer | None
    sentence: str
    page: str | None
    checks: tuple[CheckResult, ...]
    reconciliation: Mapping[str, int]
    groups: tuple[GroupCount, ...]
    losses: tuple[GroupLoss, ...]
    stages: tuple[StageCount, ...]
    ways: tuple[EnrolmentPath, ...]
    segments: tuple[SegmentCount, ...]
    series: tuple[TimeBucket, ...]
    rates: tuple[GroupRate, ...]
    differences: tuple[GroupDifference, ...]
    power: Power
    delays: tuple[Delay, ...]
    findings: tuple[ScenarioFinding, ...]
    run: Mapping[str, object]
    inputs: InputSummary

    def to_json(self) -> bytes:
        """Return the content of `verdict.json`."""
        content = {
            **{name: getattr(self, name) for name in self.__dataclass_fields__},
            "checks": [_check_json(check) for check in self.checks],
            "ways": [way._asdict() for way in self.ways],
            "findings": [finding._asdict() for finding in self.findings],
        }
        return orjson.dumps(
            content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY
        )


def _check_json(check: CheckResult) -> dict[str, object]:
    """Return *check* with the keys of verdict.json, in which its status is called verdict."""
    return {"verdict" if name == "status" else name: getattr(check, name) for name in check.__dataclass_fields__}


def analyse(
    run: Path,
    observed: Sequence[Path] = (),
    *,
    floor: float = 0.0,
    warehouse: Warehouse | None = None,
    kind: ObservedKind | None = None,
    explain: Callable[[InputSummary], None] = lambda _: None,
) -> Analysis:
    """Analyse the run in the folder *run*.

    Args:
        run: the run's folder.
        observed: files, folders or pipes of any common format; replace the observed files of the run's folder.
        floor: smallest imbalance between groups, as a share, that is a fault even when it is significant.
        warehouse: warehouse with the table, in place of files.
        kind: whether *observed* is a stream or a table; None to detect it.
        explain: called with a description of the files before the checks run.

    Raises:
        DogfoodError: the run or the observed files cannot be read, or the memory limit is too low.
    """
    unsendable = find_unsendable(run) if not observed and warehouse is None else None
    if unsendable is not None:
        return _without_traffic(*unsendable)
    try:
        evidence = load_evidence(run, observed, min_imbalance=floor, warehouse=warehouse, kind=kind)
        explain(evidence.inputs)
        return judge(evidence)
    except duckdb.OutOfMemoryException as error:
        raise KitFaultError(out_of_memory(str(error))) from error
    except MemoryError as error:
        raise KitFaultError(out_of_memory("Python has no memory left")) from error
    except duckdb.IOException as error:
        raise DogfoodError(f"{run} cannot be analysed: {str(error).splitlines()[0]}") from error


def judge(evidence: Evidence) -> Analysis:
    """Return the analysis of *evidence*."""
    checks = tuple(check.judge(evidence) for check in checks_of(evidence))
    verdict, decisive = fold(checks)
    groups = _groups(evidence)
    return Analysis(
        verdict=verdict,
        layer=decisive.layer if decisive else None,
        sentence=decisive.summary if decisive else _go_sentence(evidence),
        page=decisive.page if decisive else None,
        checks=checks,
        reconciliation=reconcile(evidence),
        groups=groups,
        losses=losses(evidence),
        stages=count_stages(evidence),
        ways=count_enrolment_paths(evidence),
        segments=count_segments(evidence),
        series=evidence.time_buckets,
        rates=rates(evidence),
        differences=differences(evidence),
        delays=delays(evidence),
        power=power(evidence, [group.landed for group in groups]),
        findings=tuple(evidence.findings),
        run=_run(evidence),
        inputs=evidence.inputs,
    )


def _without_traffic(manifest: Manifest, configs: CheckResult) -> Analysis:
    """Return the analysis of a run that sent no event because of its configs."""
    verdict, _ = fold([configs])
    counts = {**dict.fromkeys(("offered", *FATES, "duplicated", "unexpected"), 0)}
    return Analysis(
        verdict=verdict, layer=configs.layer, sentence=configs.summary, page=configs.page, checks=(configs,),
        reconciliation=counts, groups=(), losses=(), stages=(), ways=(), segments=(), series=(), rates=(),
        differences=(), power=Power(0, None, None, None), delays=(), findings=(), run=run_facts(manifest),
        inputs=InputSummary(),
    )  # fmt: skip


def write(run: Path, analysis: Analysis, report: str) -> None:
    """Write the verdict and the report into the run's folder, each in one step."""
    atomic_write(run / VERDICT, analysis.to_json())
    atomic_write(run / REPORT, report.encode())


def _go_sentence(evidence: Evidence) -> str:
    """Return the sentence of a GO."""
    sent = len(evidence.ledger.visit)
    if nobody_enrolled(evidence):
        return "The sample rate is 0: no subject is enrolled, no event was sent, and no row claims the experiment."
    if not sent:
        return "All findings of the scenarios are as expected; no event was due or sent."
    unknown = reconcile(evidence)["indeterminate"]
    if unknown:
        return (
            f"{sent - unknown:,} of {count_of(sent, 'sent event')} are in the table, once, in the right group, with "
            f"their sent content; the other {unknown:,} got no response, and their outcome is unknown."
        )
    return f"All {count_of(sent, 'sent event')} are in the table, once, in the right group, with their sent content."


def _groups(evidence: Evidence) -> tuple[GroupCount, ...]:
    names = evidence.group_names()
    shares = expected_shares(len(names), evidence.plan.rate).groups
    whole = sum(shares) or 1
    rows = {str(row["group_name"]): row for row in evidence.landed_groups}
    counts = {name: tuple(int(str(rows[name][column])) if name in rows else 0 for column in _COUNTED) for name in names}
    total = sum(landed for landed, *_ in counts.values())
    participants = evidence.participants
    assigned = np.bincount(participants.group[participants.started & (participants.group >= 0)], minlength=len(names))
    return tuple(
        GroupCount(
            name=name,
            expected_share=float(share / whole),
            expected_subjects=float(share / whole * total),
            assigned=int(planned),
            landed=landed,
            landed_share=landed / total if total else 0.0,
            low=share_interval(landed, total).low,
            high=share_interval(landed, total).high,
            impressions=impressions,
            clicks=clicks,
        )
        for (name, (landed, impressions, clicks)), share, planned in zip(counts.items(), shares, assigned, strict=True)
    )


def _run(evidence: Evidence) -> Mapping[str, object]:
    manifest, settings = evidence.manifest, evidence.plan.settings
    return {
        "id": manifest.run_id,
        "created": manifest.created,
        "fidelity": manifest.fidelity,
        "generation": manifest.generation,
        "experiment": evidence.plan.experiment.name,
        "sample_rate": evidence.plan.rate,
        "wiki": manifest.wiki,
        "stream": manifest.stream,
        "target": manifest.target,
        "visitors": manifest.visitors,
        "seed": settings.seed,
        "epoch_ms": settings.epoch_ms,
        "arrivals_per_second": settings.arrivals_per_second,
        "time_scale": settings.time_scale,
        "aa": settings.aa,
        "hasty": manifest.hasty,
        "batch_size": manifest.batch_size,
        "started_ms": manifest.started_ms,
        "finished_ms": manifest.finished_ms,
        "observed_rows": evidence.observed_rows,
        "versions": manifest.versions,
    }
