"""A run that is watched while it goes."""

import json
import threading
import time
from pathlib import Path

import orjson
import pytest

from analysis.live_monitor import LiveMonitor
from contracts.generation import Generation
from dogfood.watch.event_source import FileSource
from tests.analysis.runs import make_run
from tests.dogfood.conftest import call_in


@pytest.mark.parametrize("generation", Generation)
def test_clean_run_counts_each_subject_once(tmp_path: Path, generation: Generation) -> None:
    run = make_run(tmp_path, generation)
    watched = LiveMonitor(run.plan)
    values = [watched.look().p_value]
    for event in run.events:
        watched.add(event)
        values.append(watched.look().p_value)
    look = watched.look()
    assert (look.events, look.impressions + look.clicks) == (len(run.events), len(run.events))
    groups = run.plan.subjects(0, 1500).group
    sent = {event.visit for event in run.plan.events(0, 1500)}
    names = run.plan.experiment.groups
    assert look.subjects == {name: sum(groups[visit] == i for visit in sent) for i, name in enumerate(names)}
    assert values == sorted(values, reverse=True)
    assert values[-1] > 0.05


def test_lost_group_is_detected_during_the_run(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    watched = LiveMonitor(run.plan)
    called = 0
    for event in run.events:
        if "true" in event["experiments"]["assigned"].values() and event["performer"]["id"] % 3:
            continue
        watched.add(event)
        if not called and watched.look().p_value < 0.001:
            called = watched.look().events
    assert 0 < called < len(run.events) / 2


def test_chosen_subjects_and_other_experiments_are_excluded(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    event = run.events[0]
    watched = LiveMonitor(run.plan, frozenset({str(event["performer"]["id"])}))
    for odd in (event, {**event, "experiments": {"enrolled": ["x"], "assigned": {}}}, {}, {"experiments": 3}):
        watched.add(odd)
    look = watched.look()
    assert (look.events, sum(look.subjects.values()), look.p_value) == (1, 0, 1.0)


def test_partial_line_waits_for_the_next_read(tmp_path: Path) -> None:
    path = tmp_path / "stream.ndjson"
    path.write_bytes(b'{"a": 1}\n{"a": 2')
    tail = FileSource([tmp_path])
    assert list(tail.new_events()) == [{"a": 1}]
    with path.open("ab") as file:
        file.write(b"}\nno json\n[]\n")
    assert list(tail.new_events()) == [{"a": 2}]
    assert list(tail.new_events()) == []


def test_command_follows_a_growing_file(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs" / "20250131-143000")
    stream = tmp_path / "stream.ndjson"
    later = "2099-01-31T14:30:00.000Z"
    lines = [
        orjson.dumps({**event, "meta": {**event["meta"], "dt": later}}, option=orjson.OPT_APPEND_NEWLINE)
        for event in run.events
        if "true" not in event["experiments"]["assigned"].values()
    ]
    stream.write_bytes(b"".join(lines[:100]))

    def grow() -> None:
        time.sleep(0.3)
        with stream.open("ab") as file:
            file.writelines(lines[100:])

    thread = threading.Thread(target=grow)
    thread.start()
    done = call_in(tmp_path, "watch", str(run.folder), "--observed", str(stream), "--srm", "--json", "--every", "0.2")
    thread.join()
    looks = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1, done.stderr
    assert looks[-1]["subjects"]["true"] == 0
    assert looks[-1]["p_value"] < 1e-6
    shown = call_in(tmp_path, "watch", str(run.folder), "--observed", str(stream), "--srm", "--once")
    assert "called" in shown.stdout


def test_without_a_stream_it_says_so(tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "20250131-143000")
    done = call_in(tmp_path, "watch", "20250131-143000", "--srm")
    assert done.returncode == 2
    assert "has no stream" in done.stderr
