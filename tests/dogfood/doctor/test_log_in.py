"""Log-in of an account and comparison of its ids, against prepared responses."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs

import httpx
import orjson
import pytest

from dogfood.doctor.accounts import examine_accounts
from dogfood.doctor.diagnosis import Condition, Diagnosis
from dogfood.doctor.log_in import examine_log_in
from run_record.accounts import TestAccount, write_accounts
from run_record.target import Target

ACCOUNT = TestAccount("Dogfood-01", "correct horse", 17, 1017, 0)
TARGET = Target(
    "test", "for tests", "http://intake/v1/events", "http://mpic", ("intake", "mpic", "wiki"), "http://wiki"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_accounts(tmp_path / "accounts.ndjson", [ACCOUNT])
    return tmp_path / "accounts.ndjson"


class Wiki:
    """A wiki with one account; a session is a cookie."""

    def __init__(self, user_id: int = 17, central_ids: dict[str, int] | None = None, status: int = 200) -> None:
        self.user_id, self.central_ids, self.status = user_id, central_ids, status
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if request.method == "POST":
            form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
            fits = (form["username"], form["password"], form["logintoken"]) == (ACCOUNT.name, ACCOUNT.password, "t+\\")
            output = {"status": "PASS"} if fits else {"status": "FAIL", "message": "Incorrect password."}
            cookie = {"set-cookie": "session=1; path=/"} if fits else {}
            return httpx.Response(self.status, json={"clientlogin": output}, headers=cookie)
        if request.url.params.get("meta") == "tokens":
            return httpx.Response(self.status, json={"query": {"tokens": {"logintoken": "t+\\"}}})
        inside = request.headers.get("cookie") == "session=1"
        who = {"id": self.user_id, "centralids": self.central_ids or {}} if inside else {"id": 0, "anon": True}
        return httpx.Response(self.status, json={"query": {"userinfo": who}})


def examined(path: Path, wiki: Wiki, target: Target = TARGET, name: str = ACCOUNT.name) -> list[Diagnosis]:
    egress = target.egress(lambda _: ["192.0.2.1"])
    log_in = partial(examine_log_in, target=target, egress=egress, transport=httpx.MockTransport(wiki))
    items = list(examine_accounts(path, None, "testwiki", name, log_in))
    return [item for item in items if item.subject in ("log-in", "ids")]


@pytest.mark.parametrize("central_ids", [None, {"local": 17, "CentralAuth": 1017}])
def test_account_with_matching_ids_is_fine(path: Path, central_ids: dict[str, int] | None) -> None:
    wiki = Wiki(central_ids=central_ids)
    result = examined(path, wiki)
    assert [(item.subject, item.condition) for item in result] == [("log-in", Condition.FINE), ("ids", Condition.FINE)]
    assert {request.url.host for request in wiki.requests} == {"wiki"}


@pytest.mark.parametrize(
    ("wiki", "says"),
    [
        (Wiki(user_id=18), "user_id 17 is 18"),
        (Wiki(central_ids={"local": 17, "CentralAuth": 99}), "central_id 1017 is 17 or 99"),
    ],
)
def test_different_ids_are_missing(path: Path, wiki: Wiki, says: str) -> None:
    result = examined(path, wiki)[-1]
    assert (result.subject, result.condition) == ("ids", Condition.MISSING)
    assert says in result.summary


def test_wrong_password_is_reported_but_not_shown(tmp_path: Path) -> None:
    write_accounts(tmp_path / "wrong.ndjson", [ACCOUNT._replace(password="battery staple")])
    (result,) = examined(tmp_path / "wrong.ndjson", Wiki())
    assert result.condition is Condition.MISSING
    assert "Incorrect password" in result.summary
    assert "staple" not in orjson.dumps(result._asdict()).decode()


def test_a_wiki_that_answers_otherwise_is_a_miss(path: Path) -> None:
    (result,) = examined(path, Wiki(status=503))
    assert (result.condition, "answered 503" in result.summary) == (Condition.MISSING, True)


def test_account_outside_the_file_is_not_logged_in(path: Path) -> None:
    wiki = Wiki()
    assert examined(path, wiki, name="Nobody") == []
    assert wiki.requests == []


def test_without_a_wiki_nothing_is_claimed(path: Path) -> None:
    (result,) = examined(path, Wiki(), replace(TARGET, wiki=""))
    assert result.condition is Condition.UNKNOWN
