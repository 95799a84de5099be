"""The JSON API: its format against the contract, and the testbed's additions for writing."""

import re

import httpx
import pytest

from contracts.configs import CONTEXTUAL_ATTRIBUTES
from contracts.generation import Generation
from contracts.mpic_client import MpicClient, MpicError
from testbed.mpic.request_checks import MAX_BODY
from tests.contract_samples import contract_path
from tests.testbed.mpic.conftest import HEADERS, config, path

KINDS = ("alpha", "xlab", "instrument")
QUERIES = {
    "alpha": "/api/v1/experiments",
    "xlab": "/api/v1/experiments?format=config&authority=mediawiki",
    "instrument": "/api/v1/instruments",
}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def put(client: httpx.Client, kind: str, **changes: object) -> httpx.Response:
    slug = str(changes.get("slug", "dogfood-ctr"))
    return client.put(path(kind, slug), json=config(kind, **changes), headers=HEADERS)


def contract_fields() -> set[str]:
    """Return the field names in the contract's list for both kinds."""
    text = contract_path("mpic-api.md").read_text(encoding="utf-8")
    section = text.split("## Fields of a config (both kinds)\n")[1].split("\n\n")[0]
    # Parentheses contain values, or the other generation's names.
    return set(re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", section))) - {"start", "end"}


@pytest.mark.parametrize("kind", KINDS)
def test_exactly_the_contracts_fields_are_served(client: httpx.Client, kind: str) -> None:
    assert put(client, kind).status_code == 201
    [served] = client.get(QUERIES[kind]).json()
    expected = contract_fields() | {"alpha": {"features"}, "xlab": {"groups"}, "instrument": set()}[kind]
    if kind == "xlab":
        expected = expected - {"utc_start_dt", "utc_end_dt"} | {"start", "end"}
    if kind == "instrument":
        expected |= {"start", "end"}
    assert served.keys() == expected


@pytest.mark.parametrize("kind", KINDS)
def test_configs_are_served_in_the_contracts_formats(client: httpx.Client, kind: str) -> None:
    rates = {"default": 0.5, "0.1": ["frwiki", "arwiki"], "0.01": ["enwiki"]}
    wanted = config(kind, sample_rate=rates)
    put(client, kind, sample_rate=rates)
    [served] = client.get(QUERIES[kind]).json()
    requested = wanted.pop("contextual_attributes")
    assert {name: served[name] for name in wanted} == wanted
    assert isinstance(requested, list)
    assert sorted(served["contextual_attributes"]) == sorted(requested)
    assert list(served["sample_rate"]) == list(rates)
    assert isinstance(served["id"], int)
    assert served["status"] == 1
    assert isinstance(served["status"], int)
    for name in ("created_at", "updated_at", *(("start", "end") if kind == "xlab" else ("utc_start_dt", "utc_end_dt"))):
        assert MOMENT.fullmatch(served[name])


def test_empty_lists_are_bare_arrays(client: httpx.Client) -> None:
    for query in (*QUERIES.values(), "/api/v1/experiments?format=config&authority=varnish"):
        answer = client.get(query)
        assert (answer.status_code, answer.json()) == (200, [])
        assert answer.headers["content-type"] == "application/json"


def test_whole_rates_are_served_as_javascript_serves_them(client: httpx.Client) -> None:
    put(client, "alpha", sample_rate={"default": 1.0})
    assert '"sample_rate":{"default":1}' in client.get("/api/v1/experiments").text
    put(client, "alpha", sample_rate={"default": 0.0, "1.0": ["frwiki"], "0.250": ["enwiki"]})
    assert '"sample_rate":{"default":0,"1":["frwiki"],"0.25":["enwiki"]}' in client.get("/api/v1/experiments").text


def test_the_kits_own_client_reads_what_it_put(mpic: MpicClient) -> None:
    for kind in ("alpha", "xlab"):
        mpic.put("experiments", f"{kind}-one", config(kind, slug=f"{kind}-one", name=f"{kind}-one"))
        [experiment] = mpic.experiments(Generation(kind))
        assert experiment.name == f"{kind}-one"
        assert experiment.groups == (("false", "true") if kind == "alpha" else ("control", "treatment"))
        assert experiment.sample_rate.default == 0.5
        assert experiment.start is not None
    mpic.put("instruments", "menu", config("instrument", slug="menu", sample_rate={"default": 1, "0.2": ["frwiki"]}))
    [instrument] = mpic.instruments()
    assert (instrument.name, instrument.sample_rate.of("frwiki"), instrument.status) == ("menu", 0.2, True)
    with pytest.raises(MpicError, match=r"sample_rate\.default"):
        mpic.put("instruments", "menu", config("instrument", slug="menu", sample_rate={"default": 2}))


def test_lists_separate_generations_and_authorities(client: httpx.Client) -> None:
    put(client, "alpha", slug="a", name="A")
    put(client, "xlab", slug="b", name="b")
    put(client, "xlab", slug="c", name="c", authority="varnish")
    put(client, "xlab", slug="d", name="d", status=0)
    put(client, "alpha", slug="e", name="E", status=0)

    def listed(query: str) -> list[str]:
        return [item["slug"] for item in client.get(f"/api/v1/experiments{query}").json()]

    # Alpha's wiki checks the status; xlab's checks only dates, so experiments that are off must not be listed.
    assert listed("") == ["a", "e"]
    assert listed("?format=config&authority=mediawiki") == ["b"]
    assert listed("?format=config") == ["b"]
    assert listed("?format=config&authority=varnish") == ["c"]
    assert client.get("/api/v1/experiments?format=config&authority=nobody").status_code == 400


@pytest.mark.parametrize("kind", KINDS)
def test_writing_back_changes_nothing(client: httpx.Client, kind: str) -> None:
    first = put(client, kind)
    again = client.put(path(kind), json=first.json(), headers=HEADERS)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()


def test_writing_back_keeps_the_authority(client: httpx.Client) -> None:
    first = put(client, "xlab", authority="varnish").json()
    assert "authority" not in first
    client.put(path("xlab"), json=first | {"purpose": "KR 1"}, headers=HEADERS)
    [served] = client.get("/api/v1/experiments?format=config&authority=varnish").json()
    assert served["purpose"] == "KR 1"
    put(client, "xlab", authority="mediawiki")
    assert client.get("/api/v1/experiments?format=config&authority=varnish").json() == []
    # An experiment that becomes alpha loses its authority.
    put(client, "xlab", authority="varnish")
    assert put(client, "alpha").status_code == 200
    assert put(client, "xlab").status_code == 200
    assert len(client.get(QUERIES["xlab"]).json()) == 1


def test_a_change_keeps_id_and_creation_time(client: httpx.Client) -> None:
    first = put(client, "alpha").json()
    second = put(client, "alpha", purpose="KR 3.5").json()
    assert second["id"] == first["id"]
    assert second["created_at"] == first["created_at"]
    assert second["updated_at"] > first["updated_at"]
    assert second["purpose"] == "KR 3.5"


def test_values_are_cast_as_the_wiki_casts_them(client: httpx.Client) -> None:
    features = {"f": {"control": True, "values": [True, False, 3, "x"]}}
    assert put(client, "alpha", features=features).json()["features"] == {
        "f": {"control": "true", "values": ["true", "false", "3", "x"]}
    }


def test_sets_may_be_put_as_lists(client: httpx.Client) -> None:
    served = put(client, "instrument", compliance_requirements=["legal", "gdpr"], environments=[]).json()
    assert (served["compliance_requirements"], served["environments"]) == ("legal,gdpr", "")


@pytest.mark.parametrize(
    ("kind", "changes", "field"),
    [
        ("alpha", {"name": ""}, "name"),
        ("alpha", {"name": 3}, "name"),
        ("alpha", {"name": "a\x00b"}, "name"),
        ("alpha", {"owner": "x" * 256}, "owner"),
        ("alpha", {"slug": "other-slug-in-body"}, None),
        ("alpha", {"stream_name": ""}, "stream_name"),
        ("alpha", {"stream_name": "Web UI"}, "stream_name"),
        ("alpha", {"schema_title": "/analytics/x/1.0.0"}, "schema_title"),
        ("alpha", {"email_address": "nobody"}, "email_address"),
        ("alpha", {"task": "379870"}, "task"),
        ("alpha", {"sample_unit": "household"}, "sample_unit"),
        ("instrument", {"sample_unit": "user"}, "sample_unit"),
        ("alpha", {"status": 2}, "status"),
        ("alpha", {"status": "on"}, "status"),
        ("alpha", {"environments": "moon"}, "environments"),
        ("alpha", {"compliance_requirements": "legal,iso"}, "compliance_requirements"),
        ("instrument", {"contextual_attributes": ["page_colour"]}, "contextual_attributes"),
        ("instrument", {"contextual_attributes": {}}, "contextual_attributes"),
        ("alpha", {"sample_rate": None}, "sample_rate.default"),
        ("alpha", {"sample_rate": {}}, "sample_rate.default"),
        ("alpha", {"sample_rate": 0.5}, "sample_rate.default"),
        ("alpha", {"sample_rate": {"default": 1.5}}, "sample_rate.default"),
        ("alpha", {"sample_rate": {"default": -0.1}}, "sample_rate.default"),
        ("alpha", {"sample_rate": {"default": True}}, "sample_rate.default"),
        ("alpha", {"sample_rate": {"default": []}}, "sample_rate.default"),
        ("alpha", {"sample_rate": {"default": 1e-300}}, "sample_rate.default"),
        ("alpha", {"sample_rate": {"default": 1, "2": ["frwiki"]}}, "sample_rate.2"),
        ("alpha", {"sample_rate": {"default": 1, "much": ["frwiki"]}}, "sample_rate.much"),
        ("alpha", {"sample_rate": {"default": 1, "nan": ["frwiki"]}}, "sample_rate.nan"),
        ("alpha", {"sample_rate": {"default": 1, "0.1": []}}, "sample_rate.0.1"),
        ("alpha", {"sample_rate": {"default": 1, "0.1": "frwiki"}}, "sample_rate.0.1"),
        ("alpha", {"sample_rate": {"default": 1, "0.1": ["FR wiki"]}}, "sample_rate.0.1"),
        ("alpha", {"sample_rate": {"default": 1, "0.1": ["frwiki"], "0.2": ["frwiki"]}}, "sample_rate.0.2"),
        ("alpha", {"sample_rate": {"default": 1, "0.1": ["frwiki"], "0.10": ["enwiki"]}}, "sample_rate.0.10"),
        ("alpha", {"features": None}, "features"),
        ("alpha", {"features": {}}, "features"),
        ("alpha", {"features": ["f"]}, "features"),
        ("alpha", {"features": {"f:g": {"control": "a", "values": ["a"]}}}, "features.f:g"),
        ("alpha", {"features": {"f": {"control": "a", "values": []}}}, "features.f.values"),
        ("alpha", {"features": {"f": {"control": "a", "values": ["a", ""]}}}, "features.f.values"),
        ("alpha", {"features": {"f": {"control": "a", "values": ["a", "a"]}}}, "features.f.values"),
        ("alpha", {"features": {"f": {"control": "a", "values": ["a", "b;c"]}}}, "features.f.values"),
        ("alpha", {"features": {"f": {"control": "a", "values": ["a", "unsampled"]}}}, "features.f.values"),
        ("alpha", {"features": {"f": {"control": "a", "values": ["a", None]}}}, "features.f.values"),
        ("alpha", {"features": {"f": {"control": "z", "values": ["a", "b"]}}}, "features.f.control"),
        ("alpha", {"features": {"f": 3}}, "features.f.values"),
        ("alpha", {"utc_start_dt": "tomorrow"}, "utc_start_dt"),
        ("alpha", {"utc_start_dt": "2025-01-02", "utc_end_dt": "2025-01-01"}, "utc_end_dt"),
        ("alpha", {"variants": []}, "variants"),
        ("alpha", {"groups": ["a"]}, "groups"),
        ("xlab", {"groups": []}, "groups"),
        ("xlab", {"groups": ["a", "a"]}, "groups"),
        ("xlab", {"groups": ["a", {}]}, "groups"),
        ("xlab", {"start": None}, "start"),
        ("xlab", {"end": "2024-01-01T14:30:00.000Z"}, "end"),
        ("xlab", {"authority": "god"}, "authority"),
        ("xlab", {"name": "Another name"}, "name"),
        ("instrument", {"features": {"f": {"control": "a", "values": ["a"]}}}, "features"),
    ],
)
def test_invalid_fields_are_named(
    client: httpx.Client, kind: str, changes: dict[str, object], field: str | None
) -> None:
    body = config(kind, **changes)
    answer = client.put(path(kind), json=body, headers=HEADERS)
    assert answer.status_code == 422
    assert answer.json()["errors"].keys() == {field or "slug"}
    assert all(answer.json()["errors"].values())
    assert client.get(QUERIES[kind]).json() == []


def test_all_problems_are_in_one_response(client: httpx.Client) -> None:
    answer = client.put(path("alpha", "Bad"), json={"status": 1}, headers=HEADERS)
    assert answer.json()["errors"].keys() == {"slug", "name", "sample_rate.default", "features"}


@pytest.mark.parametrize("slug", ["Upper", "new", "-x", "a b", "ä", "x" * 101, "a:b"])
def test_invalid_slugs_are_rejected(client: httpx.Client, slug: str) -> None:
    answer = client.put(path("alpha", slug), json=config("alpha", slug=None), headers=HEADERS)
    assert answer.json()["errors"].keys() == {"slug"}


def test_all_attributes_are_accepted_in_any_order(client: httpx.Client) -> None:
    put(client, "instrument", contextual_attributes=[*reversed(CONTEXTUAL_ATTRIBUTES), CONTEXTUAL_ATTRIBUTES[0]])
    assert client.get("/api/v1/instruments").json()[0]["contextual_attributes"] == list(CONTEXTUAL_ATTRIBUTES)


def test_writes_need_a_header_and_json(client: httpx.Client) -> None:
    body = config("alpha")
    assert client.put(path("alpha"), json=body).status_code == 403
    assert client.post(f"{path('alpha')}/status", json={"status": 1}).status_code == 403
    assert client.put(path("alpha"), content="{}", headers=HEADERS).status_code == 415
    plain = HEADERS | {"Content-Type": "text/plain"}
    assert client.put(path("alpha"), content="{}", headers=plain).status_code == 415
    assert client.get("/api/v1/experiments").json() == []


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"sample_rate": NaN}', b"\xff", b"[" * 100_000, b'{"\\ud800": 1}', b'["\\udfff"]']
)
def test_a_body_must_be_json(client: httpx.Client, body: bytes) -> None:
    answer = client.put(path("alpha"), content=body, headers=HEADERS | {"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert "not JSON" in answer.json()["error"]


@pytest.mark.parametrize("body", ["[]", '"x"', "null", "3"])
def test_a_body_must_be_an_object(client: httpx.Client, body: str) -> None:
    answer = client.put(path("alpha"), content=body, headers=HEADERS | {"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["errors"].keys()) == (422, {"body"})


def test_bodies_have_a_limit_and_a_length(client: httpx.Client) -> None:
    assert client.put(path("alpha"), content=b" " * (MAX_BODY + 1), headers=HEADERS).status_code == 413
    assert client.put(path("alpha"), content=iter([b"{}"]), headers=HEADERS).status_code == 411


def test_the_status_can_be_switched(client: httpx.Client) -> None:
    put(client, "alpha", status=0)

    def switch(body: object, slug: str = "dogfood-ctr") -> httpx.Response:
        return client.post(f"{path('alpha', slug)}/status", json=body, headers=HEADERS)

    assert switch({"status": 1}).json()["status"] == 1
    assert client.get("/api/v1/experiments").json()[0]["status"] == 1
    assert switch({"status": 0}).json()["status"] == 0
    bodies: list[object] = [{}, {"status": 2}, {"status": True}, {"status": "1"}, []]
    for body in bodies:
        assert switch(body).status_code == 422
    assert switch({"status": 1}, "absent").status_code == 404


def test_errors_of_the_api_are_json(client: httpx.Client) -> None:
    for address in ("/api/v1/nothing", "/api/v2/experiments", "/api/v1/gadgets/x"):
        assert client.get(address).status_code in (404, 405)
        assert "error" in client.get(address).json()
    assert client.put("/api/v1/gadgets/x", json={}, headers=HEADERS).status_code == 404
    assert client.delete("/api/v1/experiments").status_code == 405


def test_foreign_host_names_are_refused(client: httpx.Client) -> None:
    assert client.get("/api/v1/experiments", headers={"Host": "attacker.example"}).status_code == 400
    assert client.get("/healthz", headers={"Host": "localhost:8086"}).json() == {"status": "ok"}


def test_an_instruments_dates_have_both_generations_names(client: httpx.Client) -> None:
    put(client, "instrument", utc_start_dt="2025-01-27T14:30:00.000Z", utc_end_dt="2025-02-27T14:30:00.000Z")
    [served] = client.get("/api/v1/instruments").json()
    assert (served["start"], served["end"]) == ("2025-01-27T14:30:00.000Z", "2025-02-27T14:30:00.000Z")
    address = "/api/v1/instruments/dogfood-ctr"
    headers = {"X-Requested-With": "dogfood"}
    assert client.put(address, json=served, headers=headers).status_code == 200
    newer = {name: value for name, value in served.items() if not name.startswith("utc_")}
    assert client.put(address, json={**newer, "end": "2026-01-01T00:00:00Z"}, headers=headers).status_code == 200
    assert client.get("/api/v1/instruments").json()[0]["utc_end_dt"] == "2026-01-01T00:00:00.000Z"
    conflict = client.put(address, json={**served, "end": "2027-01-01T00:00:00Z"}, headers=headers)
    assert conflict.status_code == 422
    assert "utc_end_dt" in conflict.json()["errors"]["utc_end_dt"]
