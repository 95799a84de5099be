"""Valid forms of MPIC's pages, and how tests submit them."""

import httpx

from tests.testbed.mpic.browser import Browser, Page
from tests.testbed.mpic.conftest import HEADERS, config, path

Value = str | list[str]

ALPHA: dict[str, Value] = {
    "slug": "pinned-menu",
    "name": "Pinned menu",
    "feature_name": "menu",
    "feature_values": "false, true",
    "feature_control": "false",
    "start": "2025-01-27T14:30",
    "end": "2025-02-10T14:30",
    "email_address": "web@example.org",
    "task": "T379870",
    "contextual_attributes": ["page_id", "performer_groups"],
    "compliance_requirements": ["legal", "gdpr"],
    "status": "1",
}


def put(client: httpx.Client, kind: str = "alpha", **changes: object) -> None:
    slug = str(changes.get("slug", "dogfood-ctr"))
    client.put(path(kind, slug), json=config(kind, **changes), headers=HEADERS).raise_for_status()


def create(browser: Browser, **changes: Value) -> Page:
    form = browser.visit("/experiments/new").form("/experiments/new")
    return browser.press(form, "Create experiment", {**ALPHA, **changes})


def edit(browser: Browser, **changes: Value) -> Page:
    address = "/experiments/pinned-menu/edit"
    return browser.press(browser.visit(address).form(address), "Save changes", changes)
