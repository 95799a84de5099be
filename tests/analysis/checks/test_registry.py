"""The fault catalogue, walked through on what a run leaves behind alone: each fault is called, with its layer."""

import copy
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import pytest

from analysis.analyse import Analysis, analyse
from analysis.verdict import Verdict
from contracts.assignment import subject_id
from contracts.generation import Generation
from contracts.intake import EventOutcome
from run_record.page_views import PageView
from run_record.roster import Fidelity
from testbed.faults import FAULTS, Fault
from tests.analysis.checks import test_faults_in_rows as rows
from tests.analysis.checks.test_wiki import WikiRun, wiki_run
from tests.analysis.runs import STARTED_MS, Event, Sent, make_run

_HOUR_MS = 3_600_000

Tamper = Callable[[list[Event]], list[Event]]


def landed(tamper: Tamper, change: Callable[[Sent], Sent | None] = lambda sent: sent) -> Callable[[Path], Analysis]:
    """Return what judges a run of synthetic events whose answers are *change*d and whose rows were tampered with."""

    def judge(folder: Path) -> Analysis:
        run = make_run(folder, change=change, hasty=change is rows.HASTY)
        run.land(tamper(copy.deepcopy(run.events)))
        return analyse(folder)

    return judge


def refused(share: int) -> Callable[[Path], Analysis]:
    """Return what judges a run of which one event in *share* is in the error stream, behind a 202."""

    def judge(folder: Path) -> Analysis:
        run = make_run(folder, change=rows.HASTY, hasty=True)
        run.land([event for number, event in enumerate(run.events) if number % share])
        run.report_invalid(run.events[::share])
        return analyse(folder)

    return judge


def loss_by_group(folder: Path) -> Analysis:
    groups = make_run(folder / "all").plan.subjects(0, 1500).group

    def change(sent: Sent) -> Sent:
        cut = groups[sent.visit] == 1 and sent.visit % 20 == 0
        return replace(sent, status=None, outcome=EventOutcome.INDETERMINATE) if cut else sent

    run = make_run(folder / "cut", change=change)
    names = {event.id for event in run.plan.events(0, 1500) if groups[event.visit] == 1 and event.visit % 20 == 0}
    run.land([event for event in run.events if event["meta"]["id"] not in names])
    return analyse(run.folder)


def late_partition(folder: Path) -> Analysis:
    hour_ms = STARTED_MS // _HOUR_MS * _HOUR_MS + _HOUR_MS
    begin = hour_ms - 15_000
    run = make_run(folder, change=rows.HASTY, hasty=True, started_ms=begin, epoch_ms=begin)
    run.land([event for event in run.events if event["meta"]["dt"] < "2025-01-31T15"])
    return analyse(folder)


def slow_generator(folder: Path) -> Analysis:
    run = make_run(folder, change=lambda sent: replace(sent, lag_ms=20_000) if sent.visit % 4 == 0 else sent)
    run.land()
    return analyse(folder)


def on_the_wiki(
    change: Callable[[WikiRun], None],
    generation: Generation = Generation.ALPHA,
    fidelity: Fidelity = Fidelity.WIKI,
) -> Callable[[Path], Analysis]:
    """Return what judges a run of accounts on the wiki in which *change* has been."""

    def judge(folder: Path) -> Analysis:
        run = wiki_run(folder, generation, fidelity=fidelity)
        change(run)
        return run.judge()

    return judge


def with_groups(run: WikiRun, group_of: Callable[[int, PageView], str | None]) -> None:
    """Let pages tell, and events carry, the group that *group_of* gives to an account's number and page view."""
    [feature] = run.base.plan.experiment.features
    by_name = {}
    for number, view in enumerate(run.views):
        group = group_of(number, view)
        by_name[view.visit] = group
        enrolled = [run.base.plan.experiment.name] if group else []
        known = {"enrolled": enrolled, "assigned": {feature.name: group or "unsampled"}, "features": {}}
        run.views[number] = replace(view, experiments=known, expected={"impression": 1} if group else {})
    run.events[:] = [event for event in run.events if by_name[event["visit"]]]
    for event in run.events:
        event["experiments"]["assigned"][feature.name] = by_name[event["visit"]]


def group_in(view: PageView) -> str | None:
    """Return the group that a page of the alpha generation tells."""
    [group] = view.experiments["assigned"].values()  # type: ignore[attr-defined]  # a page's JSON
    return None if group == "unsampled" else str(group)


def other(group: str) -> str:
    return "false" if group == "true" else "true"


def spilt(group: str | None) -> str | None:
    return other(group) if group else None


def local_id(run: WikiRun) -> None:
    name = run.base.plan.experiment.name
    for number, view in enumerate(run.views):
        ids = {name: subject_id(number + 1, name)}
        run.views[number] = replace(
            view, experiments={**view.experiments, "subject_ids": ids} if view.expected else view.experiments
        )
    for event in run.events:
        event["experiment"]["subject_id"] = subject_id(event["performer"]["id"], name)


def not_sticky(run: WikiRun) -> None:
    for number, view in [item for item in enumerate(run.views) if item[1].expected][::10]:
        run.views.append(replace(view, session=1, pageview_id=f"{number:019x}f"))
        [event] = [event for event in run.events if event["visit"] == view.visit]
        again = copy.deepcopy(event)
        again["funnel_entry_token"] = f"9{event['funnel_entry_token'][1:]}"
        again["performer"]["pageview_id"] = f"{number:019x}f"
        [feature] = again["experiments"]["assigned"]
        again["experiments"]["assigned"][feature] = other(again["experiments"]["assigned"][feature])
        by_name = {**view.experiments, "assigned": again["experiments"]["assigned"]}
        run.views[-1] = replace(run.views[-1], experiments=by_name)
        run.events.append(again)


def stale_config(run: WikiRun) -> None:
    nothing: dict[str, object] = {"enrolled": [], "assigned": {}, "features": {}}
    run.views += [
        replace(view, session=1, pageview_id=f"{number:019x}f", experiments=nothing, expected={})
        for number, view in enumerate(run.views)
    ]


def malformed(run: WikiRun) -> None:
    run.events.clear()
    run.views[:] = [replace(view, experiments={}, expected={}, failure="the wiki answered 500") for view in run.views]


def unreachable(run: WikiRun) -> None:
    run.events.clear()
    run.views[:] = [replace(view, experiments={}, expected={}) for view in run.views]


def one_group_only(run: WikiRun) -> None:
    run.events[:] = [event for event in run.events if rows.group_of(event) == "true"]


def self_assigned(run: WikiRun) -> None:
    name = run.base.plan.experiment.name
    outside = [number for number, view in enumerate(run.views) if not view.expected][:6]
    for number in outside:
        view = run.views[number]
        group = "treatment"
        who = {name: subject_id(number + 1001, name)}
        by_name = {
            **view.experiments,
            "enrolled": [name],
            "overrides": [name],
            "assigned": {name: group},
            "subject_ids": who,
        }
        run.views[number] = replace(view, experiments=by_name, expected={"impression": 1})
        event = copy.deepcopy(run.events[0])
        event["visit"] = view.visit
        event["funnel_entry_token"] = f"{number + 1:020d}"
        event["performer"] = {"id": number + 1, "pageview_id": view.pageview_id}
        event["experiment"].update(assigned=group, subject_id=who[name])
        run.events.append(event)


def staying(run: WikiRun, is_lost: Callable[[Event, int], bool]) -> None:
    """Let readers stay for 0.1 to 6 seconds, and lose the events of those for whom *is_lost* holds."""
    stays = dict(zip((view.visit for view in run.views), cycle(range(100, 6_000, 450)), strict=False))
    run.views[:] = [replace(view, stayed_ms=stays[view.visit]) for view in run.views]
    run.events[:] = [event for event in run.events if not is_lost(event, stays[event["visit"]])]


def clicking(run: WikiRun, clicks: int) -> None:
    """Let each page view have a click, of which *clicks* are sent."""
    run.views[:] = [
        replace(view, expected={"impression": 1, "click": 1}, seen_by_page={"impression": 1}) if view.expected else view
        for view in run.views
    ]
    for event in list(run.events):
        at = {"action": "click", "funnel_event_sequence_position": 2}
        run.events += [{**event, **at, "funnel_event_sequence_position": 2 + extra} for extra in range(clicks)]


def in_each_event(change: Callable[[Event], object]) -> Callable[[WikiRun], None]:
    def changed(run: WikiRun) -> None:
        clicking(run, 1)
        for event in run.events:
            change(event)

    return changed


def awaiting(event: Event) -> None:
    event["experiment"]["subject_id"] = "awaiting"


def unheard(run: WikiRun) -> None:
    """Let all beacons leave the page and none reach the intake."""
    run.views[:] = [replace(view, seen_by_page=view.expected) for view in run.views]
    run.events.clear()


def switched_off(folder: Path) -> Analysis:
    return rows.with_experiment(make_run(folder), status=0)


WAYS: dict[str, Callable[[Path], Analysis]] = {
    "local-id": on_the_wiki(local_id, Generation.XLAB),
    "off-by-one": on_the_wiki(
        lambda run: with_groups(run, lambda i, view: spilt(group_in(view)) if i % 6 == 0 else group_in(view))
    ),
    "modulo": on_the_wiki(
        lambda run: with_groups(run, lambda i, view: ("false", "true")[i % 2] if view.expected else None)
    ),
    "rate-key": on_the_wiki(lambda run: with_groups(run, lambda i, view: group_in(view) if i % 2 else None)),
    "not-sticky": on_the_wiki(not_sticky),
    "mpic-unreachable": on_the_wiki(unreachable),
    "mpic-malformed": on_the_wiki(malformed),
    "stale-config": on_the_wiki(stale_config),
    "off-still-sends": switched_off,
    "one-group-only": on_the_wiki(one_group_only),
    "eligibility": on_the_wiki(
        lambda run: with_groups(run, lambda i, view: None if group_in(view) == "true" and i % 3 else group_in(view))
    ),
    "late-record": on_the_wiki(
        lambda run: staying(run, lambda event, stay: rows.group_of(event) == "true" and stay < 4_500)
    ),
    "self-assign": on_the_wiki(self_assigned, Generation.XLAB),
    "child-click": on_the_wiki(lambda run: clicking(run, 0)),
    "double-listener": on_the_wiki(lambda run: clicking(run, 2)),
    "names-missing": on_the_wiki(in_each_event(lambda event: event.pop("instrument_name"))),
    "sequence": on_the_wiki(in_each_event(lambda event: event.update(funnel_event_sequence_position=1))),
    "schema-version": on_the_wiki(
        in_each_event(lambda event: event.update({"$schema": "/analytics/product_metrics/web/base/9.9.9"}))
    ),
    "subject-awaiting": on_the_wiki(in_each_event(awaiting), Generation.XLAB),
    "unload-loss": on_the_wiki(lambda run: staying(run, lambda _, stay: stay < 1_000)),
    "wrong-intake": on_the_wiki(unheard),
    "loss-by-group": loss_by_group,
    "double-sampling": landed(rows.half_of_the_sample),
    "hasty-invalid": refused(20),
    "no-meta-dt": refused(1),
    "silent-intake": landed(rows.a_silence, rows.HASTY),
    "wrong-stream": landed(rows.in_another_stream),
    "duplicates": landed(rows.again_with_new_ids),
    "canary-kept": landed(rows.with_canaries),
    "truncated-group": landed(rows.truncated),
    "late-partition": late_partition,
    "bot-filter": landed(rows.bots_filtered),
    "slow-generator": slow_generator,
}


def test_every_fault_of_the_catalogue_is_here() -> None:
    assert set(WAYS) == {fault.id for fault in FAULTS}


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.id for fault in FAULTS])
def test_fault_is_detected_from_run_folder(tmp_path: Path, fault: Fault) -> None:
    result = WAYS[fault.id](tmp_path)
    called = [(item.name, item.layer, item.summary) for item in result.checks if item.status in ("fail", "invalid")]
    verdict = Verdict.INVALID if fault.layer == "generator" else Verdict.NO_GO
    assert (result.verdict, result.layer) == (verdict, fault.layer), called
