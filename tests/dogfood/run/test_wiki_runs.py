"""Runs on a real wiki: a thousand accounts a generation, all fidelities together, foreign extensions and intake."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.streams import ERROR_STREAM
from dogfood.testbed_control.seed import accounts_file
from dogfood.testbed_control.services import WikiOptions
from run_record.accounts import read_accounts
from run_record.end_reason import End
from run_record.ledger.files import read_ledger
from run_record.manifest import Manifest
from run_record.page_views import read_page_views
from run_record.run_folder import find_run
from testbed.wiki.installation import REAL_EXTENSIONS
from tests.contract_samples import contract_path
from tests.documents import ROOT
from tests.servers import serving
from tests.wikis import call, check, latest, urls_of_testbed, wiki_testbed

pytestmark = pytest.mark.timeout(900)

QUICK = ("--visitors", "1200", "--arrival-rate", "600", "--time-scale", "20000")


@pytest.fixture(scope="module")
def wiki_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a running testbed, the wiki among it."""
    with wiki_testbed(tmp_path_factory.mktemp("wiki")) as folder:
        yield folder


@pytest.mark.parametrize("generation", ["alpha", pytest.param("xlab", marks=pytest.mark.slow)])
def test_wiki_assigns_a_thousand_accounts_by_the_contract(wiki_home: Path, generation: str) -> None:
    done = call(wiki_home, "run", "--fidelity", "wiki", "--generation", generation)
    result = latest(wiki_home)
    assert done.returncode == 0, done.stdout + done.stderr
    check_result = check(result, "wiki-assignment")
    assert (check_result["evidence"]["accounts"], check_result["evidence"]["mismatches"]) == (1000, 0)
    assert check(result, "sample-ratio")["verdict"] == check(result, "sample-rate")["verdict"] == "pass"
    assert result["reconciliation"]["ok"] == result["reconciliation"]["offered"] > 500
    exposed = {count["group"]: count for count in result["stages"] if count["stage"] == "exposed"}
    assert all(count["observed"] == count["expected"] > 200 for count in exposed.values())


def test_sessions_by_locust_itself_are_a_run(wiki_home: Path) -> None:
    # Which makes the accounts, where they are not there yet.
    assert call(wiki_home, "up").returncode == 0
    urls = urls_of_testbed(wiki_home)
    where = ("--intake", f"{urls['intake']}/v1/events", "--mpic", urls["mpic"], "--wiki-url", urls["wiki"])
    accounts = ("--accounts", str(wiki_home / "testbed" / "wiki" / "accounts.ndjson"), "--sessions", "8")
    command = [sys.executable, "-m", "locust", "-f", str(ROOT / "locustfiles" / "wiki.py"), "--headless"]
    command += ["--only-summary", "-u", "2", "-r", "2", "--runs", str(wiki_home / "by-hand"), *where, *accounts]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    run = find_run(wiki_home / "by-hand", "latest")
    assert {view.visit for view in read_page_views(run)} == set(range(8))


def test_sessions_end_at_the_targets_ceiling(wiki_home: Path, tmp_path: Path) -> None:
    assert call(wiki_home, "up").returncode == 0
    urls = urls_of_testbed(wiki_home)
    target = tmp_path / "small.toml"
    target.write_text(
        f'description = "d"\nintake = "{urls["intake"]}/v1/events"\nmpic = "{urls["mpic"]}"\nwiki = "{urls["wiki"]}"\n'
        'hosts = ["127.0.0.1"]\n[ceilings]\nevents = 7\n'
    )
    accounts = ("--accounts", str(wiki_home / "testbed" / "wiki" / "accounts.ndjson"), "--sessions", "60")
    command = [sys.executable, "-m", "locust", "-f", str(ROOT / "locustfiles" / "wiki.py"), "--headless"]
    command += ["--only-summary", "-u", "3", "-r", "3", "--runs", str(tmp_path / "runs"), "--target", str(target)]
    done = subprocess.run([*command, *accounts], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    run = find_run(tmp_path / "runs", "latest")
    sent = read_ledger(run / "ledger")
    # A page with two events is not read when one more is allowed.
    assert 6 <= len(sent.visit) <= 7
    assert (sent.answered_ms >= 0).all()
    assert Manifest.read(run).ended == End.CEILING


def test_doctor_log_in_confirms_the_accounts_ids(wiki_home: Path) -> None:
    account = read_accounts(accounts_file(wiki_home / "testbed" / "wiki"))[-1]
    by_name = {
        (item["area"], item["subject"]): item
        for item in json.loads(call(wiki_home, "doctor", "--account", account.name, "--json").stdout)
    }
    assert by_name["accounts", "log-in"]["condition"] == by_name["accounts", "ids"]["condition"] == "fine"


def test_all_fidelities_meet_in_one_verdict(wiki_home: Path) -> None:
    fidelity = ("--fidelity", "browser,wiki,synthetic", "--sessions", "150", "--browsers", "6")
    done = call(wiki_home, "run", *QUICK, *fidelity)
    assert done.returncode == 0, done.stdout + done.stderr
    result = latest(wiki_home)
    landed = {(count["fidelity"], count["group"]): count for count in result["stages"] if count["stage"] == "landed"}
    assert set(landed) == {(kind, group) for kind in ("synthetic", "wiki", "browser") for group in ("true", "false")}
    assert all(count["observed"] == count["expected"] > 0 for count in landed.values())
    assert landed["browser", "true"]["observed"] == landed["browser", "false"]["observed"] == 2
    report = (wiki_home / "runs" / "latest" / "report.html").read_text()
    assert all(f'id="{part}"' in report for part in ("stages", "ways", "groups", "reconciliation"))
    # The same objects: what the terminal says is in the report.
    assert "browser" in done.stdout


def test_a_mismatch_between_wiki_and_contract_is_called(wiki_home: Path) -> None:
    done = call(wiki_home, "run", "--fidelity", "wiki", "--sessions", "40")
    assert done.returncode == 3, done.stdout + done.stderr
    run = (wiki_home / "runs" / "latest").resolve()
    views = read_page_views(run)
    [path] = (run / "page_views").glob("*.ndjson")
    # As a wiki would that has the groups in another order.
    swapped = path.read_text().replace('"dogfood-ctr-feature":"true"', '"dogfood-ctr-feature":"x"')
    path.write_text(
        swapped.replace('-feature":"false"', '-feature":"true"').replace('-feature":"x"', '-feature":"false"')
    )
    done = call(wiki_home, "analyse", run.name, "--json")
    content = json.loads(done.stdout)
    result = check(content, "wiki-assignment")
    enrolled = {view.visit for view in views if view.experiments.get("enrolled")}
    assert (result["verdict"], result["layer"], result["evidence"]["mismatches"]) == (
        "fail",
        "assignment",
        len(enrolled),
    )
    assert (done.returncode, content["verdict"], content["layer"]) == (1, "NO-GO", "assignment")


def test_browsers_events_are_shaped_like_captured_ones(wiki_home: Path) -> None:
    captured = contract_path("captured-accepted-events.ndjson")
    done = call(wiki_home, "browse", "--scenario", "ctr", "--users", "3")
    assert done.returncode == 0, done.stdout + done.stderr
    done = call(wiki_home, "calibrate", "--against", str(captured), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(item["differences"] == [] for item in json.loads(done.stdout).values())
    events = [json.loads(line) for line in captured.read_text().splitlines()]
    for event in events:
        event["dt"] = event["dt"].removesuffix("Z")
        event["page"]["surprise"] = 1
    changed = wiki_home / "changed.ndjson"
    changed.write_text("\n".join(map(json.dumps, events)))
    done = call(wiki_home, "calibrate", "--against", str(changed), "--json")
    assert done.returncode == 1
    text = "\n".join(json.loads(done.stdout)["changed.ndjson"]["differences"])
    assert "dt is text" in text
    assert "page.surprise" in text


def test_other_extensions_and_another_intake(tmp_path: Path) -> None:
    """The testbed's own extension laid out as the real ones are, and an intake that runs already."""
    extensions = tmp_path / "extensions"
    own = Path(__file__).resolve().parents[3] / "testbed" / "wiki" / "extension"
    for name in REAL_EXTENSIONS:
        (extensions / name).mkdir(parents=True)
        (extensions / name / "extension.json").write_text(json.dumps({"name": name, "manifest_version": 2}))
    # As the real ones on this MediaWiki: an account or a page cannot be saved while they are loaded.
    broken = {"Hooks": dict.fromkeys(("LocalUserCreated", "MultiContentSave"), "MissingInLaterMediaWiki::run")}
    (extensions / "WikimediaEvents" / "extension.json").write_text(
        json.dumps({"name": "WikimediaEvents", "manifest_version": 2, **broken})
    )
    shutil.copytree(own, extensions / "MetricsPlatform", dirs_exist_ok=True)
    manifest = (own / "extension.json").read_text()
    (extensions / "MetricsPlatform" / "extension.json").write_text(
        manifest.replace('"name": "ExperimentPlatform"', '"name": "MetricsPlatform"')
    )
    stream = tmp_path / "foreign"
    arguments = ("--stream-dir", str(stream))
    with serving("testbed.intake", *arguments, log=tmp_path / "foreign.log") as foreign:
        intake = f"{foreign.url}/v1/events"
        options = WikiOptions(extensions=extensions, intake=intake)
        with wiki_testbed(tmp_path, options) as home:
            done = call(
                home, "browse", "--scenario", "ctr", "--scenario", "child-click", "--users", "3", "--intake", intake
            )
            assert done.returncode == 3, done.stdout + done.stderr
            assert "--observed" in done.stdout
            # The question which schemas the intake serves is answered by its error stream.
            [written] = [path for path in stream.rglob("*.ndjson") if ERROR_STREAM not in path.parent.name]
            done = call(home, "analyse", "latest", "--observed", str(written))
    assert done.returncode == 0, done.stdout + done.stderr
    assert latest(tmp_path)["reconciliation"]["ok"] > 3
