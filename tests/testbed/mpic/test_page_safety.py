"""Safety of the web UI: escaping, tokens, headers, labels, and malformed requests."""

import pytest

from testbed.mpic.store import Store
from tests.testbed.mpic.browser import Browser
from tests.testbed.mpic.forms import ALPHA, Value, create, edit, put

EVIL = """"><script>alert(1)</script><b a='"""


def test_input_is_shown_as_text(browser: Browser) -> None:
    create(browser, name=EVIL, owner=EVIL, purpose=EVIL, description=EVIL, security_legal_review=EVIL)
    browser.press(browser.visit("/").form("/operator"), "Use it", {"operator": EVIL[:60]})
    edit(browser, creator=EVIL)
    wrong = create(browser, slug=EVIL, default_rate=EVIL, feature_name=EVIL, feature_values=EVIL, stream_name=EVIL)
    assert wrong.answer.status_code == 422
    search = browser.visit("/experiments?q=" + EVIL.replace("#", "%23"))
    pages = [browser.visit(address) for address in ("/experiments", "/experiments/pinned-menu")]
    pages += [browser.visit("/experiments/pinned-menu/edit"), wrong, search]
    for page in pages:
        assert "script" not in [tag for tag, _ in page.tags]
        assert "b" not in [tag for tag, _ in page.tags]
        assert "alert(1)" in page.answer.text


POSTS: tuple[tuple[str, dict[str, Value]], ...] = (
    ("/experiments/new", {"generation": "alpha", **ALPHA, "default_rate": "1", "sample_unit": "user"}),
    ("/experiments/pinned-menu/edit", {"version": "1", **ALPHA}),
    ("/experiments/pinned-menu/status", {"status": "0"}),
    ("/operator", {"operator": "Mallory"}),
)


@pytest.mark.parametrize(("address", "values"), POSTS)
@pytest.mark.parametrize("token", [None, "", "forged", "ä"])
def test_forms_without_the_sessions_token_are_refused(
    browser: Browser, address: str, values: dict[str, Value], token: str | None
) -> None:
    create(browser)
    before = browser.client.get("/api/v1/experiments").json()
    sent = values if token is None else values | {"csrf_token": token}
    answer = browser.client.post(address, data=sent)
    assert answer.status_code == 403
    assert "Nothing was saved" in answer.text
    assert browser.client.get("/api/v1/experiments").json() == before
    assert "Mallory" not in browser.visit("/").text


def test_the_token_of_another_session_is_refused(browser: Browser) -> None:
    token = browser.visit("/experiments/new").form("/experiments/new").value("csrf_token")
    browser.client.cookies.clear()
    assert create(browser, csrf_token=token).answer.status_code == 403
    browser.client.cookies.clear()
    values = {**ALPHA, "csrf_token": token}
    assert browser.client.post("/experiments/new", data=values).status_code == 403


def test_cookie_and_headers_keep_other_sites_out(browser: Browser) -> None:
    answer = browser.client.get("/experiments")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    for address in ("/experiments", "/experiments/absent", "/static/mpic.css", "/api/v1/instruments"):
        headers = browser.client.get(address).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"


def test_pages_comply_with_their_policy(browser: Browser) -> None:
    create(browser)
    for address in ("/experiments", "/experiments/new", "/experiments/pinned-menu", "/nothing"):
        page = browser.visit(address)
        for tag, attributes in page.tags:
            assert tag not in ("script", "style", "iframe")
            assert not [name for name in attributes if name == "style" or name.startswith("on")]
            for name in ("src", "href"):
                assert not attributes.get(name, "/").startswith(("http", "//"))


def test_every_control_has_a_label(browser: Browser) -> None:
    create(browser, rate=["0.1"], wikis=["frwiki"])
    put(browser.client, "xlab", slug="x", name="x")
    addresses = ("/experiments", "/experiments/new", "/experiments/pinned-menu/edit", "/experiments/x/edit")
    for address in addresses:
        page = browser.visit(address)
        labels = {attributes.get("for") for tag, attributes in page.tags if tag == "label"}
        for tag, attributes in page.tags:
            if tag not in ("input", "select", "textarea") or attributes.get("type") in ("hidden", "checkbox"):
                continue
            assert attributes["id"] in labels
        ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
        assert len(ids) == len(set(ids))
        described = {word for _, item in page.tags for word in item.get("aria-describedby", "").split()}
        assert described <= set(ids)


@pytest.mark.parametrize(
    "address", ["/nothing", "/experiments/absent", "/instruments/absent/edit", "/gadgets/new", "/experiments/a/b/c"]
)
def test_an_unknown_page_is_404(browser: Browser, address: str) -> None:
    page = browser.visit(address)
    assert page.answer.status_code == 404
    assert "There is no such page" in page.text
    assert ("a", {"href": "/instruments"}) in page.tags


def test_malformed_requests_are_rejected(browser: Browser) -> None:
    create(browser)
    form = browser.visit("/experiments/pinned-menu").form("/experiments/pinned-menu/status")
    token = form.value("csrf_token")
    post = browser.client.post
    assert post("/experiments/pinned-menu/status", data={"csrf_token": token, "status": "2"}).status_code == 400
    assert post("/experiments/absent/status", data={"csrf_token": token, "status": "1"}).status_code == 404
    assert post("/experiments/new", data={"csrf_token": token, "generation": "omega"}).status_code == 404
    assert browser.client.get("/experiments/new?generation=omega").status_code == 404
    assert browser.client.get("/experiments/new?from=absent").status_code == 404
    # A form with only a token lacks all fields.
    assert post("/experiments/new", data={"csrf_token": token, "generation": "alpha"}).status_code == 422
    files = {"csrf_token": ("x.txt", b"x")}
    assert post("/experiments/new", files=files).status_code == 400


@pytest.mark.parametrize("there", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nX: y", ""])
def test_redirects_stay_on_this_site(browser: Browser, there: str) -> None:
    token = browser.visit("/").form("/operator").value("csrf_token")
    values = {"csrf_token": token, "operator": "Ada", "next": there}
    assert browser.client.post("/operator", data=values).headers["location"] == "/"


@pytest.mark.parametrize("name", ["", " ", "x" * 61, "a\x07b"])
def test_an_invalid_operator_name_is_rejected(browser: Browser, name: str) -> None:
    page = browser.press(browser.visit("/").form("/operator"), "Use it", {"operator": name})
    assert "That name is not valid" in page.text
    assert "Working as operator" in page.text


def test_an_internal_error_has_a_page(browser: Browser, store: Store) -> None:
    store.close()
    page = browser.visit("/experiments")
    assert page.answer.status_code == 500
    assert "Something went wrong" in page.text
    assert browser.client.get("/api/v1/experiments").json() == {"error": "Something went wrong"}
