import httpx
import pytest

from metrics_platform.assignment import Generation
from metrics_platform.configs import ConfigError
from metrics_platform.mpic import MpicClient, MpicError
from personas.experiments import example_experiment, example_instrument


def client(answer: httpx.Response | Exception) -> MpicClient:
    def handle(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return MpicClient("http://mpic.test/", transport=httpx.MockTransport(handle))


def test_each_generation_asks_its_own_question() -> None:
    asked: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, json=[])

    with MpicClient("http://mpic.test", transport=httpx.MockTransport(handle)) as mpic:
        for generation in Generation:
            assert mpic.experiments(generation) == ()
        assert mpic.instruments() == ()
    base = "http://mpic.test/api/v1"
    assert asked == [
        f"{base}/experiments",
        f"{base}/experiments?format=config&authority=mediawiki",
        f"{base}/instruments",
    ]


@pytest.mark.parametrize("generation", Generation)
def test_the_kits_own_configs_are_good_ones(generation: Generation) -> None:
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
def test_what_is_no_list_of_configs_is_one_clear_line(answer: httpx.Response | Exception, says: str) -> None:
    with pytest.raises(MpicError, match=says) as caught:
        client(answer).experiments(Generation.ALPHA)
    assert "http://mpic.test/api/v1/experiments" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_config_that_makes_no_sense_is_named() -> None:
    bad = {**example_experiment(Generation.ALPHA), "sample_rate": {"default": 2}}
    with pytest.raises(ConfigError, match=r"sample_rate\.default"):
        client(httpx.Response(200, json=[bad])).experiments(Generation.ALPHA)
