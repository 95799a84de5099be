"""The kit's options in Locust's help and in its web page's form."""

import subprocess
import sys
from argparse import SUPPRESS, ArgumentParser, Namespace
from dataclasses import replace

import pytest

from tests.plans import plan
from tests.traffic.locust_runs import ROOT
from traffic.locust_run.arguments import add_options
from traffic.locust_run.options import TrafficOptions, find_target, new_manifest
from traffic.locust_run.run_verdict import next_step
from traffic.locust_run.web_form import with_form
from traffic.wiki_sessions.options import add_wiki_options


def options_of(*adders: object) -> set[str]:
    parser = ArgumentParser(add_help=False)
    for adder in adders:
        adder(parser)  # type: ignore[operator]
    shown = [action for action in parser._actions if action.help != SUPPRESS]
    return {option for action in shown for option in action.option_strings}


@pytest.mark.parametrize(("file", "adders"), [("ctr", (add_options,)), ("wiki", (add_options, add_wiki_options))])
def test_locusts_help_lists_every_option(file: str, adders: tuple[object, ...]) -> None:
    command = [sys.executable, "-m", "locust", "-f", f"locustfiles/{file}.py", "--help"]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=240)
    assert {option for option in options_of(*adders) if option not in process.stdout} == set()


def test_a_form_sets_options() -> None:
    spans = {"2m": 120.0}
    options = Namespace(aa=False, visitors=5, time_scale=1.0, shape="constant", run_time=None)
    form = {"aa": "true", "visitors": "12", "time_scale": "2.5", "shape": "poisson", "run_time": "2m", "unknown": "1"}
    result = with_form(options, form, spans.__getitem__)
    assert result == Namespace(aa=True, visitors=12, time_scale=2.5, shape="poisson", run_time=120)
    assert options.visitors == 5


@pytest.mark.parametrize("form", [{"visitors": "many"}, {"run_time": "soon"}])
def test_invalid_form_fields_are_named(form: dict[str, str]) -> None:
    [(name, text)] = form.items()
    with pytest.raises(ValueError, match=rf"{name.replace('_', ' ')} '{text}'"):
        with_form(Namespace(visitors=5, run_time=None), form, float)


def test_the_last_line_names_the_whole_command() -> None:
    options = TrafficOptions()
    manifest = new_manifest("one", options, find_target(options), plan().settings)
    assert next_step(ROOT / "runs" / "my run", manifest).endswith(f"analyse '{ROOT}/runs/my run' --ingest`")
    manifest = replace(manifest, target={**manifest.target, "name": "beta"})
    assert "--observed ROWS`" in next_step(ROOT, manifest)
