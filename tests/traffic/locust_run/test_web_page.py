"""Locust's web page with synthetic load, in a browser and against a running server."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, sync_playwright

from browser_scenarios.chromium import find_browser
from common.ports import free_port
from run_record.ledger.files import read_ledger
from run_record.load_report.report import LoadReport
from tests.servers import Server, serving
from tests.traffic.locust_runs import Locust, locust, two_workers, until
from tests.wikis import need

_TIMEOUT_MS = 120_000

#: Visits of some seconds; 50 per second exceed the users of these tests.
_TRAFFIC = ("--visitors", "20000", "--arrival-rate", "50/s", "--time-scale", "2000")


@pytest.fixture
def stub(tmp_path: Path) -> Iterator[Server]:
    with serving("bench.accept_all_server", log=tmp_path / "stub.log") as server:
        yield server


@pytest.fixture
def page() -> Iterator[Page]:
    need("chromium")
    with sync_playwright() as playwright:
        browser_path = find_browser(playwright.chromium.executable_path)
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--no-proxy-server"])
        page = browser.new_page()
        page.set_default_timeout(_TIMEOUT_MS)
        yield page
        browser.close()


class Site:
    """The web page of a running Locust."""

    def __init__(self, running: Locust, port: int) -> None:
        self.running = running
        self.url = f"http://127.0.0.1:{port}"
        until(lambda: _answers(self.url), "the page did not come up", running)

    def start(self, users: int, ramp: float, **fields: str) -> dict[str, object]:
        form = {"user_count": str(users), "spawn_rate": str(ramp), **fields}
        answer = httpx.post(f"{self.url}/swarm", data=form, timeout=120, trust_env=False)
        return dict(answer.json())

    def stop(self) -> None:
        httpx.post(f"{self.url}/stop", timeout=120, trust_env=False).raise_for_status()

    def state(self) -> dict[str, object]:
        return dict(httpx.get(f"{self.url}/dogfood/state", timeout=120, trust_env=False).json())

    def await_closed(self, run: Path) -> None:
        until(lambda: (run / "load.json").is_file(), "the run was not closed", self.running)
        until(lambda: self.state()["state"] == "stopped", "it does not come to rest", self.running)


def run_folders(running: Locust) -> list[Path]:
    """Return the run folders, newest last."""
    return sorted(path.parent for path in running.runs.glob("2*/manifest.json"))


def sent(run: Path) -> int:
    """Return the number of events that a run has sent."""
    return len(read_ledger(run / "ledger").visit)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=20, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture
def site(tmp_path: Path, stub: Server) -> Iterator[Site]:
    port = free_port()
    options = ("--intake", f"{stub.url}/v1/events", "--web-port", str(port), *_TRAFFIC)
    with locust(tmp_path / "runs", *options, headless=False) as running:
        yield Site(running, port)
        running.process.terminate()
        running.end()


def max_concurrent_visits(run: Path) -> int:
    """Return the maximum number of concurrent visits by the ledger."""
    ledger = read_ledger(run / "ledger")
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for visit, sent_ms in zip(ledger.visit.tolist(), ledger.sent_ms.tolist(), strict=True):
        first[visit] = min(first.get(visit, sent_ms), sent_ms)
        last[visit] = max(last.get(visit, sent_ms), sent_ms)
    edges = sorted([(at, 1) for at in first.values()] + [(last[visit], -1) for visit in last])
    concurrent = highest = 0
    for _, step in edges:
        concurrent += step
        highest = max(highest, concurrent)
    return highest


def test_the_form_has_the_kits_options(site: Site, page: Page) -> None:
    page.goto(site.url)
    page.get_by_text("Custom parameters").click()
    names = [field.get_attribute("name") for field in page.locator("form [name]").all()]
    # In the order of --help, after Locust's options.
    kit_options = [name for name in names if name not in ("userCount", "spawnRate", "host", "runTime", "profile")]
    assert kit_options == [
        "runs", "target", "confirm", "intake", "mpic", "experiment", "wikiUrl", "instrument", "generation", "wiki",
        "seed", "visitors", "arrivalRate", "eventRate", "shape", "pace", "timeScale", "epoch", "maxConnections", "aa",
        "hasty", "batch",
    ]  # fmt: skip
    assert page.locator("[name=arrivalRate]").input_value() == "50/s"
    assert page.locator("[name=userCount]").input_value() == "20000"


def test_the_form_shows_invalid_options(site: Site, page: Page) -> None:
    page.goto(site.url)
    page.get_by_text("Custom parameters").click()
    page.locator("[name=arrivalRate]").fill("fast")
    page.get_by_role("button", name="Start").click()
    page.get_by_role("alert").filter(has_text="rate 'fast'").wait_for()
    assert list(site.running.runs.glob("2*")) == []


def test_users_limit_concurrent_visits(site: Site) -> None:
    assert site.start(4, 2)["success"]
    site.running.await_sent(60)
    run = site.running.run
    assert 1 <= max_concurrent_visits(run) <= 4
    # Changed while the test runs.
    assert site.start(40, 100)["success"]
    until(lambda: max_concurrent_visits(run) > 10, "more users change nothing", site.running)
    site.stop()
    site.await_closed(run)
    assert max_concurrent_visits(run) <= 40
    load = LoadReport.read(run)
    assert load.lag_ms.max > 500
    assert load.offered == load.sent + load.dropped


def test_a_high_spawn_rate_counts_all_users(site: Site) -> None:
    assert site.start(500, 500)["success"]
    until(lambda: run_folders(site.running), "no run was made", site.running)
    run = run_folders(site.running)[-1]
    until(lambda: max_concurrent_visits(run) > 20, "too few visits are concurrent", site.running)
    site.stop()
    site.await_closed(run)


def test_another_test_starts_after_a_stop(site: Site, page: Page) -> None:
    page.goto(site.url)
    page.locator("[name=userCount]").fill("30")
    page.get_by_role("button", name="Start").click()
    site.running.await_sent(30)
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="New").wait_for()
    assert page.get_by_text("stopped", exact=True).is_visible()
    first = site.running.run
    page.get_by_role("button", name="New").click()
    page.get_by_role("button", name="Start").click()
    until(lambda: run_folders(site.running)[-1] != first, "no other run was made", site.running)
    second = run_folders(site.running)[-1]
    until(lambda: sent(second) > 30, "nothing is sent", site.running)
    page.goto(f"{site.url}/dogfood")
    page.get_by_text(second.name).wait_for()
    page.get_by_text("answered: ok").wait_for()
    site.stop()
    site.await_closed(second)
    page.get_by_text("stopped by user").wait_for()
    page.get_by_text("not judged").wait_for()


def run_a_test(site: Site) -> None:
    """Start a test, stop it after 50 events, and wait until it is closed."""
    before = len(run_folders(site.running))
    assert site.start(20, 20)["success"]
    until(lambda: len(run_folders(site.running)) > before, "no run was made", site.running)
    run = run_folders(site.running)[-1]
    until(lambda: sent(run) > 50, "nothing is sent", site.running)
    site.stop()
    site.await_closed(run)


@pytest.mark.slow
def test_two_workers_run_a_second_test(tmp_path: Path, stub: Server) -> None:
    port = free_port()
    options = ("--intake", f"{stub.url}/v1/events", "--web-port", str(port), *_TRAFFIC, *two_workers())
    with locust(tmp_path / "runs", *options, headless=False) as running:
        site = Site(running, port)
        for _ in range(2):
            run_a_test(site)
            assert len(LoadReport.read(run_folders(running)[-1]).workers) == 2, running.output
        running.process.terminate()
        running.end()


def test_paced_events_last_for_the_run_time(site: Site) -> None:
    assert site.start(50, 50, event_rate="40/s", run_time="5s")["success"]
    until(lambda: list(site.running.runs.glob("2*/load.json")), "it does not end", site.running)
    assert LoadReport.read(site.running.run).offered == 200
