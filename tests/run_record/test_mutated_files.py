"""A changed file of the kit is read, or refused in one line, never with a traceback."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from common.errors import DogfoodError
from contracts.intake import EventAnswer, EventOutcome
from dogfood.testbed_control.services import Testbed
from dogfood.testbed_control.state_files import ServiceRecord, running, wiki_extensions
from dogfood.testbed_control.stream import StreamChoice, StreamKind, recorded
from personas.plan.plan import Plan
from personas.plan.settings import PlanSettings
from run_record.accounts import TestAccount, read_accounts, write_accounts
from run_record.ledger.files import LedgerWriter, Span, intents_row, outcomes_row, read_ledger
from run_record.load_report.machine_usage import Machine
from run_record.load_report.report import (
    Lag,
    LoadReport,
    Percentiles,
    Window,
    WorkerLoad,
    encoded,
    merged,
    new_histogram,
)
from run_record.manifest import Manifest
from run_record.page_views import PageView, PageViewWriter, read_page_views
from run_record.platform_state import PlatformState
from run_record.roster import Account, Fidelity, read_roster, write_roster
from run_record.run_folder import LEDGER
from run_record.scenario_findings import ScenarioFinding, read_scenario_findings, write_scenario_findings
from run_record.target import FOLDER, Target
from tests.plans import settings
from tests.run_record.mutating import mutations
from tests.run_record.test_run_folder import manifest

#: Mutations of each file.
_COUNT = 400

OK, BAD = EventAnswer(EventOutcome.OK), EventAnswer(EventOutcome.INVALID, "no")


def write_ledger(folder: Path) -> Path:
    (folder / LEDGER).mkdir()
    with LedgerWriter(folder / LEDGER, "w") as writer:
        first = writer.reserve(2)
        writer.append(intents_row(first, [0, 1], [0, 0], size=1, intended_ms=[5, 6], sent_ms=7))
        writer.append(outcomes_row([0, 1], EventOutcome.OK, status=201, at_ms=9))
        request = writer.intend([Span(2, 0, 1), Span(3, 1, 1)], intended_ms=8, sent_ms=9, bodies=[b"{}", b"{}"])
        writer.answered(request, [OK, BAD], status=207, at_ms=11)
        request = writer.intend([Span(4, 0, 2)], intended_ms=8, sent_ms=9)
        writer.answered(request, [BAD, BAD], status=None, at_ms=12)
    return folder / LEDGER / "w.ndjson"


def write_manifest(folder: Path) -> Path:
    plan = Plan(settings(visitors=5)).settings.to_json()
    target = {"name": "local", "source": "local", "intake": "http://127.0.0.1:1/v1/events", "mpic": "", "wiki": ""}
    created = manifest(plan=plan, target=target, other_experiments=({"slug": "x"},))
    created.started(10).finished(20, stopped_early=True).write(folder)
    return folder / "manifest.json"


def read_manifest(folder: Path) -> object:
    text = Manifest.read(folder)
    text.to_json()
    for name in ("name", "source", "intake"):
        assert isinstance(text.target[name], str)
    plan = Plan(PlanSettings.from_json(text.plan))
    return list(plan.events(0, min(plan.settings.visitors, 5)))


def write_load(folder: Path) -> Path:
    histogram = new_histogram()
    histogram.record_value(1000)
    window = Window(0, 5, 5, 5, 0, 0, 5, 0, encoded(histogram), encoded(histogram))
    worker = WorkerLoad("w", "here", 5, 5, 5, 0.5, 1.0, alive=True)
    load = replace(
        LoadReport.nothing(Machine(2, 1.0, 1.5, 0.0, 1.0, {"locust": 0.5})),
        offered=5, errors={"400": 1}, latency_ms=Percentiles(1, 2, 3, 4),
        lag_ms=Lag(1, 2, 3), workers=(worker,), invalid=("why",), windows=(window,), latency=encoded(histogram),
    )  # fmt: skip
    load.write(folder)
    return folder / "load.json"


def read_load(folder: Path) -> object:
    load = LoadReport.read(folder)
    return merged([load.latency, *(window.latency for window in load.windows)])


def write_page_views(folder: Path) -> Path:
    with PageViewWriter(folder, "w") as writer:
        writer.write(
            PageView(1, Fidelity.WIKI, "s", "Title", "a" * 20, 5, experiments={"enrolled": []}, expected={"click": 1})
        )
        writer.write(PageView(2, Fidelity.BROWSER, "s", "Title", "b" * 20, 6))
    return folder / "page_views" / "w.ndjson"


def write_roster_file(folder: Path) -> Path:
    write_roster(folder, [Account(1, Fidelity.WIKI, 2, 3, "Reader", chosen=True)] * 2)
    return folder / "roster.ndjson"


def write_findings_file(folder: Path) -> Path:
    write_scenario_findings(folder, [ScenarioFinding("ctr", "step", True, "client", "told", "evidence/x")] * 2)
    return folder / "findings.ndjson"


def write_accounts_file(folder: Path) -> Path:
    write_accounts(folder / "accounts.ndjson", [TestAccount("Reader", "secret", 1, 2, 3)] * 2)
    return folder / "accounts.ndjson"


def write_stream(folder: Path) -> Path:
    StreamChoice(StreamKind.KAFKA, "127.0.0.1:9092").write(folder)
    return folder / "stream.json"


def write_faults(folder: Path) -> Path:
    (folder / "faults.json").write_bytes(b'["loss-by-group","no-meta-dt"]')
    return folder / "faults.json"


def write_record(folder: Path) -> Path:
    # A process of another user, which is checked and not stopped.
    (folder / "mpic.json").write_bytes(ServiceRecord(1, 5.0, 8086).write())
    return folder / "mpic.json"


def write_wiki_settings(folder: Path) -> Path:
    (folder / "settings.json").write_bytes(b'{"extensions":{"ExperimentPlatform":"x"},"intake":"y"}')
    return folder / "settings.json"


def write_platform(folder: Path) -> Path:
    PlatformState({}, {"sample": {"rate": 1}}, ("note",)).write(folder)
    return folder / "platform.json"


FILES: dict[str, tuple[Callable[[Path], Path], Callable[[Path], object]]] = {
    "ledger": (write_ledger, lambda folder: read_ledger(folder / LEDGER)),
    "manifest": (write_manifest, read_manifest),
    "load": (write_load, read_load),
    "page-views": (write_page_views, read_page_views),
    "roster": (write_roster_file, read_roster),
    "findings": (write_findings_file, read_scenario_findings),
    "accounts": (write_accounts_file, lambda folder: read_accounts(folder / "accounts.ndjson")),
    "stream": (write_stream, recorded),
    "faults": (write_faults, lambda folder: Testbed(folder).faults),
    "service": (write_record, lambda folder: running(folder / "mpic.json")),
    "wiki-settings": (write_wiki_settings, lambda folder: wiki_extensions(folder / "settings.json")),
    "platform": (write_platform, PlatformState.read),
}


def refusal(read: Callable[[], object]) -> DogfoodError | None:
    try:
        read()
    except DogfoodError as error:
        return error
    return None


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOGFOOD_PASSWORD", "another")


@pytest.mark.parametrize("name", FILES)
def test_a_mutated_file_is_read_or_refused(tmp_path: Path, name: str) -> None:
    write, read = FILES[name]
    path = write(tmp_path)
    read(tmp_path)
    refused = 0
    for number, content in enumerate(mutations(path.read_bytes(), _COUNT, seed=18)):
        path.write_bytes(content)
        error = refusal(lambda: read(tmp_path))
        if error is not None:
            refused += 1
            assert error.exit_code == 2, (number, content[:300])
            assert len(str(error).splitlines()) == 1, (number, content[:300])
            assert "secret" not in str(error)
    assert refused > _COUNT / 10


def test_the_line_and_the_field_are_named(tmp_path: Path) -> None:
    path = write_ledger(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[3] = lines[3].replace(b'"status":207', b'"status":"207"')
    path.write_bytes(b"".join(lines))
    with pytest.raises(DogfoodError, match=r"w\.ndjson, line 4, status: expected `int \| null`, got `str`; "):
        read_ledger(tmp_path / LEDGER)


def test_a_mutated_target_is_read_or_refused(tmp_path: Path) -> None:
    import random

    content = (FOLDER / "local.toml").read_bytes()
    rng = random.Random(18)  # noqa: S311
    path = tmp_path / "mine.toml"
    refused = 0
    for _ in range(_COUNT):
        changed = bytearray(content)
        for _ in range(rng.randint(1, 4)):
            changed[rng.randrange(len(changed))] = rng.choice(b"=[]{}\"'\n#0aZ.\xff\x00")
        path.write_bytes(bytes(changed))
        error = refusal(lambda: Target.read(str(path)))
        if error is not None:
            refused += 1
            assert error.exit_code == 2
    assert refused > _COUNT / 10
