"""Conduit's encoding, paging and errors, and the secrecy of the token."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dogfood.tickets.conduit import Conduit, ConduitError, Value, form_pairs
from tests.common.echo import Moving, serving, two_hosts
from tests.dogfood.tickets.phabricator import NOW_S, TOKEN, Phabricator, php_form

_KEYS = st.from_regex(r"[a-z][a-z0-9]{0,6}", fullmatch=True)
_VALUES: st.SearchStrategy[Value] = st.recursive(
    st.text(st.characters(categories=["L", "N", "P", "S", "Z"], include_characters="\n")) | st.integers(),
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(_KEYS, inner, min_size=1, max_size=3),
    max_leaves=8,
)
_PARAMETERS = st.dictionaries(_KEYS, _VALUES, max_size=4)


def as_php(value: Value) -> object:
    """Return *value* as PHP holds it after reading a form: text and maps, nothing else."""
    if isinstance(value, str | int):
        return str(value)
    items = value.items() if isinstance(value, Mapping) else enumerate(value)
    return {str(key): as_php(item) for key, item in items}


def test_transactions_are_written_as_conduit_documents_them() -> None:
    changes: Value = [{"type": "title", "value": "T"}, {"type": "projects.add", "value": ["P1", "P2"]}]
    assert form_pairs({"transactions": changes, "limit": 5}) == [
        ("transactions[0][type]", "title"),
        ("transactions[0][value]", "T"),
        ("transactions[1][type]", "projects.add"),
        ("transactions[1][value][0]", "P1"),
        ("transactions[1][value][1]", "P2"),
        ("limit", "5"),
    ]


@given(_PARAMETERS)
def test_every_form_is_read_back(parameters: dict[str, Value]) -> None:
    body = httpx.Request("POST", "http://x", data=dict(form_pairs(parameters))).content.decode()
    assert (php_form(body) if body else {}) == as_php(parameters)


@pytest.mark.skipif(shutil.which("php") is None, reason="PHP itself is not here to be asked")
def test_php_and_the_fake_parse_forms_alike() -> None:
    parameters: dict[str, Value] = {
        "transactions": [{"type": "title", "value": "a&b=c [d] ä\n%"}, {"type": "x.add", "value": ["1", "2"]}],
        "constraints": {"slugs": ["a_b"], "createdStart": 5},
    }
    body = httpx.Request("POST", "http://x", data=dict(form_pairs(parameters))).content.decode()
    code = "parse_str(stream_get_contents(STDIN), $found); echo json_encode($found, JSON_FORCE_OBJECT);"
    done = subprocess.run(["php", "-r", code], input=body, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == php_form(body) == as_php(parameters)


@pytest.mark.parametrize("empty", [{"a": []}, {"a": [{"b": {}}]}])
def test_what_php_cannot_be_told_is_refused(empty: dict[str, Value]) -> None:
    with pytest.raises(ValueError, match="is empty"):
        form_pairs(empty)


def test_every_page_of_a_search_is_read(phabricator: Phabricator, conduit: Conduit) -> None:
    phabricator.page = 7
    for number in range(30):
        phabricator.add(f"{number}", "")
    items = list(conduit.search("maniphest.search", {"createdStart": NOW_S}))
    assert [item["id"] for item in items] == list(range(30, 0, -1))
    assert phabricator.count_calls("maniphest.search") == 5


def test_a_cursor_that_stands_still_ends_the_search(phabricator: Phabricator, conduit: Conduit) -> None:
    result = {"data": [], "cursor": {"after": "1"}}
    phabricator.raw = (200, {}, json.dumps({"result": result, "error_code": None}).encode())
    with pytest.raises(ConduitError, match="names the same page as"):
        list(conduit.search("maniphest.search", {"createdStart": 1}))


def test_a_cursor_without_end_ends_the_search() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        after = php_form(request.content.decode()).get("after", "0")
        return httpx.Response(200, json={"result": {"data": [], "cursor": {"after": int(after) + 1}}})

    with (
        Conduit("http://localhost", TOKEN, pause_s=0, transport=httpx.MockTransport(answer)) as conduit,
        pytest.raises(ConduitError, match="more than 10,000"),
    ):
        list(conduit.search("maniphest.search", {"createdStart": 1}))


def test_calls_pause_except_before_the_first(url: str) -> None:
    slept: list[float] = []
    with Conduit(url, TOKEN, pause_s=1.5, sleep=slept.append) as conduit:
        for _ in range(3):
            conduit.call("maniphest.priority.search", {})
    assert slept == [1.5, 1.5]


ENVELOPE = {"result": None, "error_code": "ERR-X", "error_info": f"what\n  {TOKEN} \x1b[31m"}


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ((200, {}, json.dumps(ENVELOPE).encode()), r"failed \(ERR-X\): what \[token\] \[31m$"),
        ((200, {}, b'{"result":null,"error_code":"ERR-X","error_info":null}'), "no reason given"),
        ((200, {}, b'{"result":[],"error_code":null}'), "a result that is not an object"),
        ((200, {}, b'{"data":[]}'), "answered 200 without a Conduit result"),
        ((200, {}, b"[]"), "without a Conduit result"),
        ((200, {}, b""), "without a Conduit result: empty"),
        ((500, {}, f"<h1>{TOKEN}</h1>".encode()), r"answered 500 without a Conduit result: <h1>\[token\]</h1>$"),
        ((200, {}, b"x" * 290 + TOKEN.encode()), r"x\[token\]|x\[tok"),
        ((200, {}, b"\xff\xfe"), "without a Conduit result"),
        ((429, {}, b"slow down"), "answered 429 without a Conduit result: slow down"),
        ((302, {"Location": f"http://elsewhere/?{TOKEN}"}, b""), r"redirects .* to http://elsewhere/\?\[token\]; "),
    ],
)
def test_bad_response_is_one_line_without_token(
    phabricator: Phabricator, conduit: Conduit, raw: tuple[int, dict[str, str], bytes], says: str
) -> None:
    phabricator.raw = raw
    with pytest.raises(ConduitError, match=says) as caught:
        conduit.call("maniphest.search", {})
    assert "\n" not in str(caught.value)
    assert str(caught.value).isprintable()
    assert TOKEN[:12] not in repr(caught.value)


def test_unknown_token_is_reported_but_not_shown(url: str) -> None:
    wrong = "cli-zzzzzzzzzzzzzzzzzzzzzzzzzzzz"
    with Conduit(url, wrong, pause_s=0) as conduit, pytest.raises(ConduitError, match="ERR-INVALID-AUTH") as caught:
        conduit.call("maniphest.search", {})
    assert 'API token "[token]" is not valid.; check PHABRICATOR_TOKEN' in str(caught.value)
    assert wrong not in str(caught.value)


def test_nobody_there_is_told() -> None:
    with Conduit("http://127.0.0.1:1", TOKEN, pause_s=0) as conduit, pytest.raises(ConduitError) as caught:
        conduit.call("maniphest.search", {})
    assert "http://127.0.0.1:1 does not answer maniphest.search" in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "phabricator.example.org",
        "ftp://phabricator.example.org",
        "file:///etc/passwd",
        "https://",
        "https://a:sesame@phabricator.example.org",
        "https://phabricator.example.org/?sesame",
        "https://phabricator.example.org/#sesame",
        "https://phabricator.example.org:port",
        "https://[::1",
    ],
)
def test_invalid_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConduitError, match="has to look like https://") as caught:
        Conduit(url, TOKEN, pause_s=0)
    assert "sesame" not in str(caught.value)


def test_the_token_is_not_sent_in_the_clear() -> None:
    with pytest.raises(ConduitError, match=r"http://phabricator\.example\.org would send the token unencrypted"):
        Conduit("http://phabricator.example.org", TOKEN, pause_s=0)


@pytest.mark.parametrize("given_as", ["", "/", "/api", "/api/"])
def test_an_address_may_be_written_in_several_ways(given_as: str) -> None:
    with Conduit(f"https://phabricator.example.org/here{given_as}", TOKEN, pause_s=0) as conduit:
        assert conduit.url == "https://phabricator.example.org/here"


@pytest.mark.parametrize("token", ["", "  ", "api-short", TOKEN + "x", TOKEN[:-1] + "é", TOKEN[:-1] + '"'])
def test_invalid_token_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(ConduitError, match="API token") as caught:
        Conduit("https://phabricator.example.org", token, pause_s=0)
    assert not token.strip() or token not in str(caught.value)


def test_newline_after_the_token_is_ignored(url: str) -> None:
    with Conduit(url, f"{TOKEN}\n", pause_s=0) as conduit:
        assert conduit.call("maniphest.priority.search", {})


def test_proxies_and_passwords_of_the_environment_are_ignored(
    phabricator: Phabricator, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("default login someone password sesame\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with serving("127.0.0.3") as proxy, serving("127.0.0.1") as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        with Conduit(url, TOKEN, pause_s=0) as conduit:
            conduit.call("maniphest.priority.search", {})
        with Conduit(server.url, TOKEN, pause_s=0) as conduit, pytest.raises(ConduitError):
            conduit.call("maniphest.priority.search", {})
        assert proxy.requests == []
        assert "authorization" not in server.requests[0].headers
    assert [name for name, _ in phabricator.calls] == ["maniphest.priority.search"]


def test_a_moved_phabricator_gets_no_token() -> None:
    with two_hosts() as (first, second):
        moving = Moving("127.0.0.2", "127.0.0.3")
        with Conduit(f"http://localhost:{first.server_port}", TOKEN, pause_s=0, resolver=moving) as conduit:
            for _ in range(2):
                with pytest.raises(ConduitError, match="without a Conduit result"):
                    conduit.call("maniphest.search", {})
        assert len(first.requests) == 2
        assert second.requests == []


def test_a_phabricator_without_address_is_told() -> None:
    def unknown(host: str) -> list[str]:
        raise OSError("no such name")

    with (
        Conduit("https://phabricator.example.org", TOKEN, pause_s=0, resolver=unknown) as conduit,
        pytest.raises(ConduitError, match=r"the host 'phabricator.example.org' is not known"),
    ):
        conduit.call("maniphest.search", {})
