import socket
from collections.abc import Iterator

import httpx
import pytest

from contracts.configs import ConfigError
from contracts.generation import Generation
from contracts.mpic_client import MpicClient, MpicError
from personas.example_experiment import example_experiment, example_instrument


def client(answer: httpx.Response | Exception) -> MpicClient:
    def handle(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return MpicClient("http://127.0.0.1/", transport=httpx.MockTransport(handle))


def test_each_generation_has_its_query() -> None:
    items: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        items.append(str(request.url))
        return httpx.Response(200, json=[])

    with MpicClient("http://127.0.0.1", transport=httpx.MockTransport(handle)) as mpic:
        for generation in Generation:
            assert mpic.experiments(generation) == ()
        assert mpic.instruments() == ()
    base = "http://127.0.0.1/api/v1"
    assert items == [
        f"{base}/experiments",
        f"{base}/experiments?format=config&authority=mediawiki",
        f"{base}/instruments",
    ]


@pytest.mark.parametrize("generation", Generation)
def test_the_example_configs_are_valid(generation: Generation) -> None:
    [experiment] = client(httpx.Response(200, json=[example_experiment(generation)])).experiments(generation)
    assert len(experiment.groups) == 2
    [instrument] = client(httpx.Response(200, json=[example_instrument()])).instruments()
    assert instrument.stream_name == "product_metrics.web_base"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (httpx.Response(404), "404"),
        (httpx.Response(500), "500"),
        (httpx.Response(302, headers={"location": "http://elsewhere.test/"}), "302"),
        (httpx.Response(200, html="<p>Log in"), "text/html"),
        (httpx.Response(200, json={"data": []}), "bare array"),
        (httpx.ConnectError("refused"), "does not answer"),
        (httpx.ReadTimeout("slow"), "takes too long"),
    ],
)
def test_a_malformed_response_is_one_clear_line(answer: httpx.Response | Exception, says: str) -> None:
    with pytest.raises(MpicError, match=says) as caught:
        client(answer).experiments(Generation.ALPHA)
    assert "http://127.0.0.1/api/v1/experiments" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_invalid_config_is_named() -> None:
    bad = {**example_experiment(Generation.ALPHA), "sample_rate": {"default": 2}}
    with pytest.raises(ConfigError, match=r"sample_rate\.default"):
        client(httpx.Response(200, json=[bad])).experiments(Generation.ALPHA)


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port on which connections are taken and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_silent_service_times_out(silent_port: int) -> None:
    address = f"http://127.0.0.1:{silent_port}"
    with MpicClient(address, timeout_s=0.05) as mpic, pytest.raises(MpicError, match="takes too long"):
        mpic.instruments()


def test_a_refused_connection_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with MpicClient(f"http://127.0.0.1:{port}") as mpic, pytest.raises(MpicError, match="is it up") as caught:
        mpic.instruments()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("address", ["http://[", "mpic.test", "", "ftp://mpic.test", "http://mpic.test:port"])
def test_an_invalid_url_is_an_error(address: str) -> None:
    with pytest.raises(MpicError):
        MpicClient(address).instruments()


def test_the_wikis_timeout_is_the_default() -> None:
    patience: list[object] = []

    def handle(request: httpx.Request) -> httpx.Response:
        patience.append(request.extensions["timeout"]["read"])
        return httpx.Response(200, json=[])

    MpicClient("http://127.0.0.1", transport=httpx.MockTransport(handle)).raw_instruments()
    assert patience == [1.0]


def test_a_refused_config_is_named_with_the_reason() -> None:
    refusal = httpx.Response(422, json={"errors": {"slug": "has to be a slug"}})
    with pytest.raises(MpicError, match=r"experiment 'a/b' .*has to be a slug"):
        client(refusal).put("experiments", "a/b", {})
    with pytest.raises(MpicError, match="does not answer"):
        client(httpx.ConnectError("refused")).put("experiments", "a", {})


def test_a_name_stays_one_step_of_the_path() -> None:
    items: list[bytes] = []

    def handle(request: httpx.Request) -> httpx.Response:
        items.append(request.url.raw_path)
        return httpx.Response(201)

    MpicClient("http://127.0.0.1", transport=httpx.MockTransport(handle)).put("instruments", "a/b?c", {})
    assert items == [b"/api/v1/instruments/a%2Fb%3Fc"]
