"""Locust's web page over a testbed: a run that is over is judged, and the page shows its verdict."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import sync_playwright

from browser_scenarios.chromium import find_browser
from common.ports import free_port
from dogfood.testbed_control.services import Testbed
from tests.traffic.locust_runs import locust, until
from tests.wikis import need


@pytest.mark.slow
def test_page_shows_the_verdict(home: Path, tmp_path: Path) -> None:
    need("chromium")
    testbed, port = Testbed(home / "testbed"), free_port()
    url = f"http://127.0.0.1:{port}"
    options = (
        "--intake", f"{testbed.url('intake')}/v1/events", "--web-port", str(port), "--visitors", "1200",
        "--arrival-rate", "200/s", "--time-scale", "20000", "--seed", "17",
    )  # fmt: skip
    environment = {"DOGFOOD_TESTBED": str(testbed.folder)}
    with locust(tmp_path / "runs", *options, headless=False, environment=environment) as running:
        until(lambda: _state(url) is not None, "the page did not come up", running)
        form = {"user_count": "1200", "spawn_rate": "1200"}
        assert httpx.post(f"{url}/swarm", data=form, timeout=120, trust_env=False).json()["success"]
        until(lambda: _judgement(url).get("verdict") or _judgement(url).get("problem"), "nothing was judged", running)
        state = _state(url) or {}
        with sync_playwright() as playwright:
            own = find_browser(playwright.chromium.executable_path)
            browser = playwright.chromium.launch(executable_path=own, args=["--no-sandbox", "--no-proxy-server"])
            page = browser.new_page()
            page.goto(f"{url}/dogfood", timeout=120_000)
            page.get_by_text("Fates of all events").wait_for(timeout=120_000)
            shown = page.locator("#verdict").inner_text()
            page.get_by_role("link", name="Report").click()
            page.wait_for_url("**/report", timeout=120_000)
            browser.close()
        running.process.terminate()
        running.end()
    # A busy machine may be too slow for a verdict on the platform.
    assert shown == state["judgement"]["verdict"]
    assert shown in ("GO", "INVALID"), state
    assert sum(state["judgement"]["reconciliation"].values()) >= state["load"]["sent"] > 0


def _state(url: str) -> dict[str, Any] | None:
    try:
        return dict(httpx.get(f"{url}/dogfood/state", timeout=120, trust_env=False).json())
    except httpx.HTTPError:
        return None


def _judgement(url: str) -> dict[str, Any]:
    return dict((_state(url) or {}).get("judgement") or {})
