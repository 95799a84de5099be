"""The extension's arithmetic in PHP, against test vectors; and the wiki's responses over HTTP."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from contracts.generation import Generation
from contracts.mpic_client import MpicClient
from contracts.streams import parse_stream_configs
from contracts.wiki_page import page_config, page_experiments
from dogfood.testbed_control.seed import seed_wiki
from dogfood.testbed_control.services import Testbed
from personas.example_experiment import ATTRIBUTES, EXPERIMENT, example_experiment, example_instrument
from tests.contract_samples import contract_path
from tests.wikis import need, wiki_testbed

EXTENSION = Path(__file__).resolve().parents[3] / "testbed" / "wiki" / "extension"

#: PHP that reads vectors, and prints the digest and the group of each.
ASSIGN = """
require $argv[1] . '/src/Mpic.php';
require $argv[1] . '/src/Assignment.php';
use ExperimentPlatform\\Assignment;
while ( ( $line = fgets( STDIN ) ) !== false ) {
    $row = json_decode( $line, true );
    $digest = Assignment::digest( $row['generation'], $row['user_id'], $row['experiment'] );
    $group = Assignment::group( $digest, $row['groups'], $row['rate'] );
    echo json_encode( [ 'digest' => $digest, 'group' => $group ] ), "\\n";
}
"""
RATES = """
require $argv[1] . '/src/Mpic.php';
require $argv[1] . '/src/Assignment.php';
foreach ( json_decode( stream_get_contents( STDIN ), true ) as $rates ) {
    echo json_encode( ExperimentPlatform\\Assignment::rate( $rates, 'testwiki' ) ), "\\n";
}
"""


#: Paths that the web server must not serve.
SECRET = (
    "/settings.json", "/LocalSettings.php", "/maintenance/run.php", "/extensions/../settings.json",
    "/resources/..%2f..%2fsettings.json", "/data/testwiki.sqlite", "/extensions/ExperimentPlatform/src/Mpic.php",
)  # fmt: skip


def php(code: str, given: str) -> list[str]:
    need("php")
    command = ["php", "-d", "xdebug.mode=off", "-r", code, str(EXTENSION)]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_php_assignment_matches_the_vectors() -> None:
    lines = contract_path("bucketing-vectors.ndjson").read_text().splitlines()
    vectors = [json.loads(line) for line in lines]
    items = [json.loads(line) for line in php(ASSIGN, "\n".join(lines) + "\n")]
    assert len(items) == len(vectors) == 4000
    for ours, theirs in zip(items, vectors, strict=True):
        assert ours["group"] == theirs["group"], theirs
        assert ours["digest"] == (theirs.get("subject_id") or ours["digest"])


def test_wiki_rates_are_keys_and_invalid_rates_none() -> None:
    cases: list[tuple[object, float | None]] = [
        ({"default": 0.5}, 0.5), ({"default": 0.5, "0.1": ["frwiki", "testwiki"]}, 0.1),
        ({"default": 0.5, "0.1": ["frwiki"]}, 0.5), ({"0.2": ["testwiki"], "0.3": ["testwiki"], "default": 1}, 0.2),
        ({"default": 1.5}, None), ({"default": None}, None), ({"default": "0.25"}, 0.25), ({}, None), (None, None),
        (0.5, None), ({"default": -1}, None), ({"default": 0}, 0.0), ({"1": ["testwiki"]}, 1.0),
        ({"default": 0.5, "lots": ["testwiki"]}, None), ({"default": 0.5, "0.1": "testwiki"}, 0.5),
    ]  # fmt: skip
    result = php(RATES, json.dumps([rates for rates, _ in cases]))
    assert [json.loads(line) for line in result] == [rate for _, rate in cases]


@pytest.fixture(scope="module")
def wiki_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield the folder of a testbed with a wiki."""
    with wiki_testbed(tmp_path_factory.mktemp("wiki")) as folder:
        yield folder


@pytest.fixture(scope="module")
def wiki(wiki_folder: Path) -> tuple[str, str]:
    """Return the URLs of a wiki and of its MPIC."""
    testbed = Testbed(wiki_folder / "testbed")
    testbed.configure_wiki({"configs_ttl_s": 0})
    return str(testbed.url("wiki")), str(testbed.url("mpic"))


def test_instruments_become_stream_configs(wiki: tuple[str, str]) -> None:
    address, mpic_address = wiki
    with MpicClient(mpic_address) as mpic:
        mpic.put("instruments", EXPERIMENT, dict(example_instrument(rate=0.25)))
        mpic.put("experiments", EXPERIMENT, dict(example_experiment(Generation.ALPHA)))
    query = {"action": "streamconfigs", "format": "json"}
    message = httpx.get(f"{address}/api.php", params=query, trust_env=False).json()
    streams = parse_stream_configs(message)
    stream = streams["product_metrics.web_base"]
    assert (stream.sample_rate, stream.sample_unit) == (0.25, "session")
    assert sorted(stream.provide_values) == sorted(ATTRIBUTES)
    assert message["streams"][stream.stream]["topics"] == list(stream.topics)
    with MpicClient(mpic_address) as mpic:
        own_rate = {**example_instrument(), "sample_rate": {"default": 1, "0.01": ["testwiki"]}}
        mpic.put("instruments", EXPERIMENT, own_rate)
    message = httpx.get(f"{address}/api.php", params=query, trust_env=False).json()
    assert message["streams"][stream.stream]["sample"] == {"rate": "0.01", "unit": "session"}
    with MpicClient(mpic_address) as mpic:
        mpic.put("instruments", EXPERIMENT, dict(example_instrument(rate=0.25)))
    none = httpx.get(f"{address}/api.php", params={**query, "streams": "no.such|none"}, trust_env=False).json()
    assert none == {"streams": {}}


def test_only_pages_and_assets_are_served(wiki: tuple[str, str]) -> None:
    address, _ = wiki
    page = httpx.get(f"{address}/wiki/Main_Page", trust_env=False)
    assert page.status_code == 200
    config = page_config(page.text)
    assert config["wgUserName"] is None
    assert "wgMetricsPlatformUserExperiments" not in config
    assert httpx.get(f"{address}/skins/Vector/skin.json", trust_env=False).status_code == 404
    image = httpx.get(f"{address}/resources/assets/mediawiki.png", trust_env=False)
    assert image.headers["content-type"] == "image/png"
    for path in SECRET:
        answer = httpx.get(f"{address}{path}", trust_env=False)
        assert (answer.status_code, "secret" in answer.text) == (404, False), path


@pytest.mark.parametrize(("name", "expected"), [("mpo", "unsampled"), ("testwikimpo", "true")])
def test_an_override_by_cookie_needs_the_wikis_prefix(
    wiki: tuple[str, str], wiki_folder: Path, name: str, expected: str
) -> None:
    address, mpic_address = wiki
    with MpicClient(mpic_address) as mpic:
        # Nobody is in the sample, so only an override can enrol.
        mpic.put("experiments", EXPERIMENT, dict(example_experiment(Generation.ALPHA, rate=1e-9)))
    account = seed_wiki(wiki_folder / "testbed" / "wiki")[0]
    with httpx.Client(base_url=address, trust_env=False, timeout=60) as client:
        query = {"action": "query", "meta": "tokens", "type": "login", "format": "json"}
        token = client.get("/api.php", params=query).json()["query"]["tokens"]["logintoken"]
        form = {
            "action": "clientlogin", "username": account.name, "password": account.password, "logintoken": token,
            "loginreturnurl": address, "format": "json",
        }  # fmt: skip
        assert client.post("/api.php", data=form).json()["clientlogin"]["status"] == "PASS"
        client.cookies.set(name, f"{EXPERIMENT}:{EXPERIMENT}-feature:true")
        message = page_experiments(page_config(client.get("/wiki/Main_Page").text))
    assert message["assigned"] == {f"{EXPERIMENT}-feature": expected}


def test_faults_of_mpic_can_be_switched(wiki: tuple[str, str]) -> None:
    _, mpic = wiki
    headers = {"X-Requested-With": "dogfood"}
    url = f"{mpic}/testbed/misbehaviour"
    known = httpx.get(url, trust_env=False).json()["known"]
    assert len(known) == len(set(known)) >= 14
    before = httpx.get(f"{mpic}/api/v1/experiments", trust_env=False).json()
    for fault in known:
        if fault == "slow":
            continue
        assert httpx.put(url, json={"as": fault}, headers=headers, trust_env=False).status_code == 200
        answer = httpx.get(f"{mpic}/api/v1/experiments", trust_env=False)
        assert (answer.status_code, answer.text) != (200, json.dumps(before)), fault
    assert httpx.put(url, json={"as": "no-such"}, headers=headers, trust_env=False).status_code == 422
    assert httpx.put(url, json={"as": ""}, trust_env=False).status_code == 403
    assert httpx.put(url, content="x", headers=headers, trust_env=False).status_code == 400
    assert httpx.put(url, json={"as": ""}, headers=headers, trust_env=False).status_code == 200
    assert httpx.get(f"{mpic}/api/v1/experiments", trust_env=False).json() == before


def fetches_of_the_wiki(mpic: str, fault: str = "") -> int:
    rows = httpx.get(f"{mpic}/testbed/fetches", trust_env=False).json()["fetches"]
    mine = (row for row in rows if row["agent"] == "MediaWiki" and row["as"] == fault)
    return sum(row["count"] for row in mine if row["path"] == "/api/v1/instruments")


def test_deleted_configs_are_fetched_again(wiki: tuple[str, str], wiki_folder: Path) -> None:
    address, mpic = wiki
    testbed = Testbed(wiki_folder / "testbed")
    query = {"action": "streamconfigs", "format": "json"}
    headers = {"X-Requested-With": "dogfood"}

    def exported() -> object:
        return httpx.get(f"{address}/api.php", params=query, trust_env=False).json()["streams"]

    def set_fault(fault: str) -> None:
        answer = httpx.put(f"{mpic}/testbed/misbehaviour", json={"as": fault}, headers=headers, trust_env=False)
        assert answer.status_code == 200

    testbed.configure_wiki({"configs_ttl_s": 3600})
    try:
        forget = f"{address}/testbed/forget-configs"
        assert httpx.post(forget, trust_env=False).status_code == 403
        assert httpx.post(forget, headers=headers, trust_env=False).status_code == 200
        assert exported()
        set_fault("empty")
        count = fetches_of_the_wiki(mpic, "empty")
        # The wiki uses its cached response, so the fault has no effect.
        assert exported()
        assert fetches_of_the_wiki(mpic, "empty") == count
        assert httpx.post(forget, headers=headers, trust_env=False).json()["forgotten"] > 0
        assert not exported()
        assert fetches_of_the_wiki(mpic, "empty") == count + 1
    finally:
        set_fault("")
        testbed.configure_wiki({"configs_ttl_s": 0})
