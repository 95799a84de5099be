"""Snapshot of the sentences for people: `python -m tests.wording > tests/wording.txt` regenerates it.

Checks get evidence with given counts, so no run and no server is needed. Tests elsewhere assert facts, not sentences.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from analysis.analyse import Analysis, analyse
from analysis.capacity.conclusion import conclude
from analysis.capacity.search import SearchSettings
from analysis.checks import (
    CHECKS,
    assignment,
    configs,
    delivery,
    event_content,
    funnel,
    generator,
    sampling,
    scenarios,
    stream,
    subjects,
    times,
)
from analysis.checks.wiki_diagnosis import (
    Diagnosis,
    ExpectedEvents,
    ReportedEnrolment,
    diagnose_assignment,
    diagnose_missing,
)
from analysis.power import PowerQuery, can_show, needs
from analysis.reports import number_format
from analysis.reports.html import DELAYS, WORDS
from analysis.run_model.load import Evidence
from analysis.run_model.sent_validity import UnacceptableEvents
from analysis.summaries.arrivals import ArrivalDelays
from analysis.summaries.effects import Power
from analysis.summaries.timeline import TimeBucket
from analysis.verdict import CheckResult
from contracts.generation import Generation
from contracts.profiles import PLACEHOLDER
from run_record.load_report.report import Lag
from run_record.platform_state import PlatformState
from run_record.scenario_findings import ScenarioFinding
from tests.analysis.capacity.simulated import OBJECTIVES, search
from tests.analysis.checks.test_wiki import wiki_run
from tests.analysis.given import EXAMPLES, UNKNOWN, Given, segment, weight
from tests.analysis.runs import Event, make_run
from tests.plans import plan

Rows = Sequence[Mapping[str, object]]

PLAN = plan(Generation.XLAB)


class Engine:
    """Query engine with given rows, by query or by (query, table)."""

    def __init__(self, answers: Mapping[object, Rows]) -> None:
        self._answers = answers

    def ask(self, query: str, values: object = None, **tables: str) -> Rows:
        """Return the given rows of *query*, none by default."""
        return self._answers.get((query, *tables.values()), self._answers.get(query, []))

    def keep(self, *names: str) -> None:
        """Do nothing: tables are given."""


def given(answers: Mapping[object, Rows] | None = None, **attributes: object) -> Evidence:
    """Return evidence with these rows and attributes."""
    defaults: dict[str, object] = {
        "plan": PLAN, "fates": [], "unexpected": [], "page_views": [], "roster": [], "loss_location": UNKNOWN,
        "observed_rows": 1_000, "time_buckets": (), "own_epoch": False, "overridden": frozenset(),
        "manifest": SimpleNamespace(
            generation=PLAN.settings.generation, deadline_s=10_800, stream="s", stopped_early=False, started_ms=1,
            finished_ms=2, ended="", visitors=10,
        ),
    }  # fmt: skip
    return cast(Evidence, SimpleNamespace(engine=Engine(answers or {}), **{**defaults, **attributes}))


def delivery_results() -> Iterator[CheckResult]:
    """Yield the results of the checks of delivery."""
    for number in (1, 50):
        yield delivery.check_lost(Given([("a", "ok", 1_000), ("b", "lost", number)]).evidence())
    rows = [segment("skin", "minerva", 1_000, 300), segment("skin", "vector", 1_000, 0)]
    heavy = [weight("vanished", 100, 1_000, 10_400), weight("untouched", 900, 2_700, 9_000)]
    counted = [("a", "ok", 1_000), ("b", "ok", 700), ("b", "lost", 300)]
    places = {
        "nothing known": UNKNOWN,
        "behind": UNKNOWN._replace(known=True, behind=299, elsewhere={"x": 1}),
        "hours": UNKNOWN._replace(known=True, behind=300, hours=("2025-01-31T14",)),
        "nowhere": UNKNOWN._replace(known=True, nowhere=300),
    }
    for lost in places.values():
        yield delivery.check_lost(Given(counted, EXAMPLES, hasty=True, loss_location=lost).evidence())
    yield delivery.check_lost(Given(counted, {"segments": rows}).evidence())
    vanished = [{"group_name": "b", "subjects": 30}]
    yield delivery.check_lost(
        Given(counted, {"subjects_by_loss_extent": heavy, "subjects_lost_entirely": vanished}).evidence()
    )
    yield delivery.check_lost(Given([("a", "ok", 9)]).evidence())
    for number in (0, 1, 2):
        rows = [{"id": item, "copies": 2, "first_ms": 1_738_333_800_000} for item in range(number)]
        yield delivery.check_duplicated(Given(duplicates=rows).evidence())
        yield delivery.check_unexpected(Given(unexpected=rows, other_runs={"r": number} if number else {}).evidence())
        changed = {"corrupted_fields": [{"page__title": number}]}
        yield delivery.check_corrupted(Given([("a", "ok", 5), ("a", "corrupted", number)], changed).evidence())
        yield delivery.check_late(Given([("a", "late", number)], deadline_s=3_600).evidence())
        reasons: dict[str, Rows] = {"rejection_reasons": [{"reason": "'.x' no.", "events": number}] if number else []}
        yield delivery.check_invalid(Given([("a", "ok", 9)], reasons).evidence())
    yield delivery.check_invalid(
        Given(unacceptable=UnacceptableEvents(3, "events name schema /no/1.0.0", 4, 9)).evidence()
    )
    for unknown in (0, 1, 11):
        yield delivery.check_indeterminate(Given([("a", "ok", 989), ("a", "indeterminate", unknown)]).evidence())
    hit = [
        {"group_name": group, "subjects": 4_000, "hit": hit, "events": hit, "sent_events": 9_000}
        for group, hit in (("a", 0), ("b", 40))
    ]
    counted = [("a", "ok", 9_000), ("b", "ok", 8_960), ("b", "indeterminate", 40)]
    yield delivery.check_indeterminate(Given(counted, {"indeterminate_by_group": hit}).evidence())
    yield delivery.check_indeterminate(Given().evidence())


def subject_results() -> Iterator[CheckResult]:
    """Yield the results of the checks of subjects, sampling and scenarios."""
    nobody = {"subjects": 0, "events": 0, "nameless_events": 0, "mismatches": 0, "wrong_subjects": 0, "wrong_events": 0,
              "outside": 0}  # fmt: skip
    landed = {**nobody, "subjects": 785, "events": 4_000}
    wrong = {**landed, "mismatches": 1, "wrong_subjects": 1, "wrong_events": 3, "outside": 2}
    for item, sent in ((nobody, nobody), (landed, landed), ({**landed, "nameless_events": 1}, landed), (wrong, landed),
                       (wrong, wrong)):  # fmt: skip
        counts = given(landed_subjects=item, sent_subjects=sent)
        yield assignment.check_assignment(counts)
        yield subjects.check_sampled_out(counts)
        yield subjects.check_stickiness(counts)
        yield subjects.check_subject_ids(counts)
    split = [{"subject": "1", "one": "a", "other": "b"}]
    for tables in (("subjects_landed",), ("subjects_landed", "subjects_sent")):
        answers: dict[object, Rows] = {("subjects_in_two_groups", table): split for table in tables}
        yield subjects.check_stickiness(given(answers, landed_subjects=landed))
    heavy: dict[object, Rows] = {"most_frequent_subject": [{"events": 3_000, "sent_events": 0}]}
    odd: dict[object, Rows] = {"malformed_subject_ids": [{"subject": "x", "events": 2, "sent_events": 0}]}
    awaiting: dict[object, Rows] = {"malformed_subject_ids": [{"subject": PLACEHOLDER, "events": 2, "sent_events": 2}]}
    for answers in (heavy, odd, awaiting):
        yield subjects.check_subject_ids(given(answers, landed_subjects=landed))
    config = PLAN.settings.stream_config()
    own = {"rate": config.sample_rate, "unit": config.sample_unit, "events": 5}
    for rows in ([], [own], [{**own, "rate": 0.1, "unit": "session", "events": 1}]):
        yield sampling.check_stream_sampling(given({"sample_rates": rows}))
    for number in range(3):
        forced: Rows = [{"subject": "1"}] * number
        yield sampling.check_overrides(given({"overridden_landed": forced}))
    right = ScenarioFinding("ctr", "look", True, "instrument", "all well")
    false = ScenarioFinding("child-click", "count", False, "instrument", "2 clicks.")
    unplayed = right._replace(ok=False, layer="generator", scenario="html")
    for findings in ([], [right], [right, false], [false, false, unplayed], [unplayed]):
        yield scenarios.check_scenarios(given(findings=findings))


def content_results() -> Iterator[CheckResult]:
    """Yield the results of the checks of configs, funnels, stream and attributes."""
    manifest = SimpleNamespace(
        generation=PLAN.settings.generation, other_experiments=(), wiki="testwiki", stream="product_metrics.web_base",
        plan=PLAN.settings.to_json(),
    )  # fmt: skip
    notes = PlatformState(notes=("instruments[3].sample_rate.default: '0.5' is not a number",))
    for platform in (PlatformState(), notes):
        yield configs.judge_configs(cast(Any, manifest), platform)
    for wrong in ({}, {"no_position": 1}, {"click_without_impression": 2, "events_without_funnel": 1}):
        row = {**dict.fromkeys(funnel._RULES, 0), "funnels": 9, **wrong}
        yield funnel.check_funnel(given({"funnel_order_violations": [row]}))
    yield funnel.check_funnel(given({"funnel_order_violations": [dict.fromkeys((*funnel._RULES, "funnels"), 0)]}))
    own = PLAN.settings.parsed_instrument().stream_name
    for events in (1, 2):
        other = {"meta__stream": "other", "events": events}
        yield event_content.check_stream(given(labels=lambda _, other=other: [other]))
    lost = UNKNOWN._replace(known=True, elsewhere={"eqiad.other": 3})
    for where in (UNKNOWN, lost):
        yield event_content.check_stream(
            given(loss_location=where, labels=lambda _: [{"meta__stream": own, "events": 9}])
        )
    yield event_content.check_schema(given())
    empty: dict[object, Rows] = {"filled_attributes": [{"events": 0, "page__id": 0}]}
    yield event_content.check_attributes(given(empty))
    requested = {event_content._column(name): 9 for name in PLAN.settings.stream_config().provide_values}
    for change in ({}, {"performer__is_bot": 9}, {next(iter(requested)): 0}):
        yield event_content.check_attributes(given({"filled_attributes": [{"events": 9, **requested, **change}]}))


def time_results() -> Iterator[CheckResult]:
    """Yield the results of the checks of times, stream and generator."""
    for number in (0, 1, 2):
        rows: Rows = [{"events": 5, "topic": "t"}] * number
        yield stream.check_replayed(given({"replayed_events": rows}, unexpected=rows))
        yield stream.check_canaries(given({"canaries": rows[:1]}))
        yield times.check_partitions(given(misplaced={("14", "13"): number} if number else {}))
    delays = np.array([30_000.0, 60_000.0, 20_000_000.0])
    for table in (delays[:0], delays[:2], delays):
        yield stream.check_freshness(given(arrival_delays=ArrivalDelays(delays, table)))
    busy = TimeBucket(0, 1_000, 50, 50, 50, 0, 0)
    for gaps in (0, 1, 2):
        silent = [TimeBucket(1_000 * (2 * item + 1), 1_000, 50, 50, 0, 50, 50) for item in range(gaps)]
        buckets = [busy, *(bucket for one in silent for bucket in (one, replace(busy, at_ms=one.at_ms + 1_000)))]
        yield stream.check_silences(given(time_buckets=tuple(buckets)))
    for active, count in ((True, 5), (False, 1)):
        experiment = SimpleNamespace(start=None, end=None, status=active)
        ledger = SimpleNamespace(sent_ms=np.zeros(count))
        yield times.check_active(given(plan=SimpleNamespace(experiment=experiment), ledger=ledger))
    lag = Lag(1.0, 12.0, 40.0)
    load = SimpleNamespace(lag_ms=lag, late=0, dropped=0, workers=(), workers_needed=None, invalid=(), event_rate=100.0)
    changes: tuple[dict[str, object], ...] = (
        {},
        {"late": 1, "dropped": 2},
        {"invalid": ("p99 lag 99 s (limit 5 s).",)},
    )
    for change in changes:
        yield generator.check_lag(given(load=SimpleNamespace(**{**vars(load), **change})))
    for late in (0, 6_000, -6_000):
        ledger = SimpleNamespace(intended_ms=np.zeros(100), sent_ms=np.array([late] * 5 + [1] * 95))
        yield generator.check_lag(given(load=None, ledger=ledger))
    line = SimpleNamespace(file="rows.ndjson", line=7, why="not JSON")
    source = SimpleNamespace(first="rows.ndjson", cut_short=True)
    for broken, fates in (([], []), ([line], []), ([line], [{"fate": "lost"}])):
        inputs = SimpleNamespace(sources=[source])
        ledger = SimpleNamespace(broken=[])
        yield generator.check_records(given(broken=broken, ledger=ledger, inputs=inputs, fates=fates))


def diagnoses() -> Iterator[Diagnosis]:
    """Yield diagnoses of wrong pages of the wiki."""
    right = [ReportedEnrolment(user, "ab"[user % 2], "ab"[user % 2]) for user in range(40)]
    none = [page._replace(group=None) for page in right]
    for pages in (none, [*none[:2], *right[2:]], [*none[:10], *right], [page if page.user_id % 2 else page._replace(
            group=None) for page in right], [*right, right[0]._replace(group="b")],
            [*right, right[0]._replace(group="b", forced=True)],
            [right[0], none[1]]):  # fmt: skip
        yield diagnose_assignment(pages)
    views = [ExpectedEvents("ab"[number % 2], 1, int(number % 4 < 2), 0, -1, number) for number in range(40)]
    yield diagnose_missing(views)
    yield diagnose_missing([view._replace(seen=view.missing) for view in views])
    yield diagnose_missing([view._replace(missing=int(view.group == "a")) for view in views])
    yield diagnose_missing([view._replace(stayed_ms=100 if view.missing else 2_000) for view in views])
    yield diagnose_missing([view._replace(missing=int(view.group == "a")) for view in views[:2]])


def runs(folder: Path) -> Iterator[tuple[str, Analysis]]:
    """Yield analyses of runs: clean, with half of one group lost, and with wrong sessions on the wiki."""
    run = make_run(folder / "clean")
    run.land()
    yield "clean run", analyse(run.folder)

    def kept(event: Event) -> bool:
        return event["performer"]["id"] % 2 == 0 or "true" not in event["experiments"]["assigned"].values()

    run.land([event for event in run.events if kept(event)])
    yield "half of one group lost", analyse(run.folder)
    wiki = wiki_run(folder / "wiki")
    wiki.events[1:] = [*wiki.events[2:], {**wiki.events[2], "funnel_entry_token": "f" * 20}]
    yield "wiki run, one event missing and one twice", wiki.judge()


def other_sentences() -> Iterator[str]:
    """Yield sentences of capacity checks, power analyses and summaries, and numbers with their units."""
    for require in (None, 100, 5_000):
        for generator_limit in (float("inf"), 50):
            settings = SearchSettings(start=10, ceiling=100_000, require=require)
            report = conclude(settings, OBJECTIVES, search(settings, limit=1_000, generator=generator_limit))
            yield f"capacity {report.result}: {report.sentence} ({report.side}: {report.evidence})"
    query = PowerQuery()
    for answer in (*needs(query, [0.52], [0.05], [0.004], 0.1), *can_show(query, 1), *can_show(query, 10_000)):
        yield f"power: {answer.sentence}"
    yield from number_format.power(Power(785, 0.57, 0.2, 0.01), 0.5)
    yield from number_format.power(Power(0, None, None, None), 0.5)
    yield from (
        number_format.whole(12_345), number_format.percent(0.4987), number_format.signed_percent(0.0031),
        number_format.between(0.4791, 0.5182), number_format.signed_between(-0.001, 0.0072),
        number_format.p_value(0.0123),
    )  # fmt: skip


def lines() -> Iterator[str]:
    """Yield the lines of the snapshot."""
    for registered in CHECKS:
        yield f"{registered.name} ({registered.layer}): {registered.question}"
    yield ""
    yield from (f"{word}: {meaning}" for word, (meaning, _) in WORDS.items())
    yield from (f"{name}: {span}" for name, span in DELAYS.items())
    yield ""
    for results in (delivery_results(), subject_results(), content_results(), time_results()):
        yield from dict.fromkeys(_line(result) for result in sorted(results, key=lambda result: result.name))
    yield ""
    yield from (f"wiki, {diagnosis.layer}: {diagnosis.where}" for diagnosis in diagnoses())
    yield ""
    yield from other_sentences()
    with tempfile.TemporaryDirectory() as folder:
        for name, analysis in runs(Path(folder)):
            yield ""
            yield f"{name}: {analysis.verdict}, {analysis.layer}: {analysis.sentence}"
            yield from (_line(result) for result in analysis.checks)


def _line(result: CheckResult) -> str:
    return f"{result.name} {result.status}, {result.layer}: {result.summary}"


if __name__ == "__main__":
    print("\n".join(lines()))
