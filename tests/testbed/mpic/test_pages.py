"""The web UI: forms are parsed from pages and submitted as a browser would."""

import re

import pytest

from testbed.mpic.fields import Kind
from testbed.mpic.store import Store
from tests.testbed.mpic.browser import Browser
from tests.testbed.mpic.conftest import HEADERS, path
from tests.testbed.mpic.forms import ALPHA, Value, create, edit, put


def test_an_empty_tool_leads_to_its_first_experiment(browser: Browser) -> None:
    page = browser.visit("/")
    assert page.answer.url.path == "/experiments"
    assert "No experiments yet" in page.text
    assert ("a", {"class": "button primary", "href": "/experiments/new?generation=alpha"}) in page.tags


def test_a_submitted_alpha_form_reaches_the_api(browser: Browser) -> None:
    page = create(browser, rate=["0.1"], wikis=["frwiki, arwiki"])
    assert page.answer.url.path == "/experiments/pinned-menu"
    assert "pinned-menu was created." in page.text
    [served] = browser.client.get("/api/v1/experiments").json()
    assert served["sample_rate"] == {"default": 0.5, "0.1": ["frwiki", "arwiki"]}
    assert served["features"] == {"menu": {"control": "false", "values": ["false", "true"]}}
    assert (served["utc_start_dt"], served["utc_end_dt"]) == ("2025-01-27T14:30:00.000Z", "2025-02-10T14:30:00.000Z")
    assert served["contextual_attributes"] == ["page_id", "performer_groups"]
    assert (served["compliance_requirements"], served["environments"]) == ("legal,gdpr", "development")
    assert (served["name"], served["creator"], served["status"]) == ("Pinned menu", "operator", 1)
    # The message is shown once.
    assert "pinned-menu was created" not in browser.visit("/experiments/pinned-menu").text


def test_a_submitted_xlab_form_reaches_the_api(browser: Browser) -> None:
    form = browser.visit("/experiments/new?generation=xlab").form("/experiments/new")
    assert form.value("groups") == "control\r\ntreatment"
    values = {"slug": "search-bar", "groups": "control\r\nwide\r\nwide-and-tall", "status": "1"}
    dates = {"start": "2025-01-27T14:30", "end": "2025-02-10T14:30"}
    page = browser.press(form, "Create experiment", values)
    assert {"start-problem", "end-problem"} <= page.ids
    page = browser.press(page.form("/experiments/new"), "Create experiment", dates)
    assert page.answer.url.path == "/experiments/search-bar"
    [served] = browser.client.get("/api/v1/experiments?format=config&authority=mediawiki").json()
    assert (served["name"], served["slug"]) == ("search-bar", "search-bar")
    assert served["groups"] == ["control", "wide", "wide-and-tall"]
    assert (served["start"], served["end"]) == ("2025-01-27T14:30:00.000Z", "2025-02-10T14:30:00.000Z")


def test_a_submitted_instrument_form_reaches_the_api(browser: Browser) -> None:
    form = browser.visit("/instruments/new").form("/instruments/new")
    values = {"slug": "menu", "name": "Menu", "sample_unit": "session", "contextual_attributes": ["page_id"]}
    page = browser.press(form, "Create instrument", values)
    assert page.answer.url.path == "/instruments/menu"
    [served] = browser.client.get("/api/v1/instruments").json()
    assert (served["sample_unit"], served["sample_rate"], served["status"]) == ("session", {"default": 1}, 0)
    assert served["utc_start_dt"] is None


@pytest.mark.parametrize("kind", ["alpha", "xlab", "instrument"])
def test_saving_an_untouched_form_changes_nothing(browser: Browser, store: Store, kind: str) -> None:
    rates = {"default": 0.5, "0.1": ["frwiki", "arwiki"], "0.01": ["enwiki"]}
    start, end = ("start", "end") if kind == "xlab" else ("utc_start_dt", "utc_end_dt")
    dates = {start: "2025-01-27T14:30:15.000Z", end: "2025-02-27T14:30:15.250Z"}
    put(browser.client, kind, sample_rate=rates, description="One line.\nAnd <another> & more.", **dates)
    where = Kind.INSTRUMENT if kind == "instrument" else Kind.EXPERIMENT
    before = store.find(where, "dogfood-ctr")
    address = f"/{where}/dogfood-ctr/edit"
    page = browser.press(browser.visit(address).form(address), "Save changes")
    assert page.answer.url.path == f"/{where}/dogfood-ctr"
    assert store.find(where, "dogfood-ctr") == before


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"slug": ""}, "slug"),
        ({"slug": "Pinned menu"}, "slug"),
        ({"slug": "new"}, "slug"),
        ({"name": ""}, "name"),
        ({"description": "x" * 5001}, "description"),
        ({"end": "2025-01-27T14:30"}, "end"),
        ({"start": "yesterday"}, "start"),
        ({"default_rate": "1.01"}, "default_rate"),
        ({"default_rate": "half"}, "default_rate"),
        ({"rate": ["2"], "wikis": ["frwiki"]}, "wiki_rates-0-rate"),
        ({"rate": ["0.1"], "wikis": [""]}, "wiki_rates-0-wikis"),
        ({"rate": ["0.1", "0.2"], "wikis": ["frwiki", "enwiki frwiki"]}, "wiki_rates-1-wikis"),
        ({"rate": ["0.1", "0.2"], "wikis": ["frwiki", "enwiki, frwiki"]}, "wiki_rates-1-wikis"),
        ({"rate": ["0.1", "0.10"], "wikis": ["frwiki", "enwiki"]}, "wiki_rates-1-rate"),
        ({"feature_name": "", "feature_values": "", "feature_control": ""}, "features"),
        ({"feature_name": "a b"}, "features-0-name"),
        ({"feature_values": ""}, "features-0-values"),
        ({"feature_values": "false, true, true"}, "features-0-values"),
        ({"feature_control": "maybe"}, "features-0-control"),
        ({"stream_name": "Web UI"}, "stream_name"),
        ({"email_address": "web"}, "email_address"),
        ({"task": "379870"}, "task"),
        ({"sample_unit": "household"}, "sample_unit"),
        ({"contextual_attributes": ["page_colour"]}, "contextual_attributes"),
        ({"environments": ["moon"]}, "environments"),
    ],
)
def test_a_problem_is_at_its_field(browser: Browser, changes: dict[str, Value], name: str) -> None:
    page = create(browser, **changes)
    assert page.answer.status_code == 422
    assert "Correct one field" in page.text
    # The summary links to the field, and the message is next to the field.
    assert ("a", {"href": f"#{name}"}) in page.tags
    assert {name, f"{name}-problem"} <= page.ids
    described = [attributes for _, attributes in page.tags if attributes.get("id") == name]
    control = described[0]
    if "name" in control:
        assert control["aria-invalid"] == "true"
        assert f"{name}-problem" in control["aria-describedby"].split()
    form = page.form("/experiments/new")
    kept = {**ALPHA, **changes}
    for field in ("slug", "name", "email_address", "task", "default_rate", "stream_name", "status"):
        assert form.value(field) == kept.get(field, form.value(field))
    assert browser.client.get("/api/v1/experiments").json() == []


def test_required_fields_are_not_marked_optional(browser: Browser) -> None:
    alpha, xlab = (browser.visit(f"/experiments/new?generation={name}") for name in ("alpha", "xlab"))
    for name, label in (("start", "Start (UTC)"), ("end", "End (UTC)")):
        assert f"{label} (optional)" in alpha.text
        assert label in xlab.text
        assert f"{label} (optional)" not in xlab.text
        [control] = [attributes for _, attributes in xlab.tags if attributes.get("name") == name]
        assert "required" in control


def test_a_slug_can_be_taken_once(browser: Browser) -> None:
    create(browser)
    page = create(browser, name="Another")
    assert page.answer.status_code == 422
    assert "slug-problem" in page.ids
    assert [item["name"] for item in browser.client.get("/api/v1/experiments").json()] == ["Pinned menu"]


def test_rows_are_added_without_javascript(browser: Browser) -> None:
    form = browser.visit("/experiments/new").form("/experiments/new")
    assert form.all("rate") == []
    page = browser.press(form, "Add a rate for some wikis", {"slug": "kept"})
    form = page.form("/experiments/new")
    assert (form.all("rate"), form.all("wikis"), form.value("slug")) == ([""], [""], "kept")
    form = browser.press(form, "Add another feature", {"feature_name": ["menu"]}).form("/experiments/new")
    assert form.all("feature_name") == ["menu", ""]
    changes = {**ALPHA, "feature_name": ["menu", ""], "feature_values": ["a, b", ""], "feature_control": ["a", ""]}
    page = browser.press(form, "Create experiment", changes)
    assert page.answer.url.path == "/experiments/pinned-menu"


def test_enter_presses_save(browser: Browser) -> None:
    form = browser.visit("/experiments/new").form("/experiments/new")
    assert form.buttons[0][1:3] == ("action", "save")


def test_the_history_shows_the_changes_of_an_edit(browser: Browser) -> None:
    create(browser)
    put_by_api = browser.client.get("/api/v1/experiments").json()[0] | {"purpose": "KR 3.5"}
    browser.client.put(path("alpha", "pinned-menu"), json=put_by_api, headers=HEADERS)
    page = browser.visit("/experiments/pinned-menu")
    browser.press(page.form("/operator"), "Use it", {"operator": "Ada Lovelace"})
    page = edit(browser, default_rate="0.25", name="Pinned main menu")
    assert "pinned-menu was saved." in page.text
    assert re.search(
        r"Ada Lovelace changed it .* UTC version 3 Field Before After Name Pinned menu Pinned main menu", page.text
    )
    assert "Sample rate 50 % 25 % API changed it" in page.text
    assert "Purpose – KR 3.5 operator created it" in page.text


def test_a_stale_form_shows_the_other_change_first(browser: Browser) -> None:
    create(browser)
    address = "/experiments/pinned-menu/edit"
    opened = browser.visit(address).form(address)
    edit(browser, owner="Growth", default_rate="0.1")
    page = browser.press(opened, "Save changes", {"owner": "Web"})
    assert page.answer.status_code == 409
    assert "operator changed this while you were editing" in page.text
    assert "Owner: changed from – to Growth" in page.text
    assert "Sample rate: changed from 50 % to 10 %" in page.text
    assert browser.client.get("/api/v1/experiments").json()[0]["owner"] == "Growth"
    form = page.form(address)
    assert form.value("owner") == "Web"
    # After that, a second attempt overwrites it.
    assert browser.press(form, "Save changes").answer.url.path == "/experiments/pinned-menu"
    assert browser.client.get("/api/v1/experiments").json()[0]["owner"] == "Web"


@pytest.mark.parametrize("version", ["", "0", "-1", "x", "99", "9" * 50, "²"])
def test_a_form_without_a_valid_version_is_stale(browser: Browser, version: str) -> None:
    create(browser)
    assert edit(browser, version=version, owner="Web").answer.status_code == 409


def test_switching_returns_to_the_list(browser: Browser) -> None:
    create(browser)
    page = browser.visit("/experiments?q=pinned&status=on")
    page = browser.press(page.form("/experiments/pinned-menu/status"), "Switch off pinned-menu")
    assert str(page.answer.url.query, "ascii") == "q=pinned&status=on"
    assert "No matches" in page.text
    assert browser.client.get("/api/v1/experiments").json()[0]["status"] == 0
    page = browser.visit("/experiments/pinned-menu")
    page = browser.press(page.form("/experiments/pinned-menu/status"), "Switch on pinned-menu")
    assert page.answer.url.path == "/experiments/pinned-menu"
    assert "Status off on" in page.text


def test_the_list_can_be_searched_and_filtered(browser: Browser) -> None:
    put(browser.client, "alpha", slug="one", name="First", owner="Web Team")
    put(browser.client, "alpha", slug="two", name="Second", status=0)
    put(browser.client, "xlab", slug="three", name="three")

    def listed(query: str) -> list[str]:
        links = [attributes.get("href", "") for tag, attributes in browser.visit(f"/experiments{query}").tags]
        return [link.split("/")[2] for link in links if re.fullmatch(r"/experiments/(one|two|three)", link)]

    assert listed("") == ["three", "two", "one"]
    assert listed("?q=web+FIRST") == ["one"]
    assert listed("?status=off") == ["two"]
    assert listed("?status=on&generation=alpha") == ["one"]
    assert listed("?generation=xlab&q=") == ["three"]
    assert listed("?q=absent") == []


def test_dates_that_contradict_the_status_get_a_note(browser: Browser) -> None:
    start, end = "2024-01-01T14:30:00.000Z", "2024-02-01T14:30:00.000Z"
    put(browser.client, "alpha", slug="a", utc_start_dt=start, utc_end_dt=end)
    put(browser.client, "xlab", slug="b", name="b", start=start, end=end)
    put(browser.client, "xlab", slug="c", name="c", start="2999-01-01T14:30:00.000Z", end="2999-02-01T14:30:00.000Z")
    text = browser.visit("/experiments").text
    assert "On Past its end, still on" in text
    assert "On Ended" in text
    assert "On Not started yet" in text


def test_an_experiment_can_change_its_generation(browser: Browser) -> None:
    put(browser.client, "alpha")
    put(browser.client, "xlab")
    assert browser.client.get("/api/v1/experiments").json() == []
    text = browser.visit("/experiments/dogfood-ctr").text
    assert "Groups – control, treatment" in text
    assert "features dogfood-ctr-feature: false, true (control false) –" in text


def test_the_groups_shares_of_all_subjects_are_shown(browser: Browser) -> None:
    put(browser.client, "xlab", groups=["a", "b", "c"], sample_rate={"default": 0.2, "0.1": ["frwiki"]})
    text = browser.visit("/experiments/dogfood-ctr").text
    assert "Groups a 6.667 % b 6.667 % c 6.667 % not in sample 80 % Of all users" in text
    assert "Sample rate 20 % 10 % on frwiki" in text


def test_a_copy_is_off_and_has_no_slug(browser: Browser) -> None:
    create(browser, rate=["0.1"], wikis=["frwiki"])
    form = browser.visit("/experiments/new?from=pinned-menu").form("/experiments/new")
    assert (form.value("slug"), form.all("status")) == ("", [])
    page = browser.press(form, "Create experiment", {"slug": "copy"})
    assert page.answer.url.path == "/experiments/copy"
    one, two = browser.client.get("/api/v1/experiments").json()
    assert two["sample_rate"] == one["sample_rate"]
    assert two["status"] == 0
