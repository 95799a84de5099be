"""The kit's options where people look for them: in Locust's help, and in what its page's form is made of."""

import subprocess
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import replace

import pytest

from tests.plans import plan
from tests.traffic.locust_runs import ROOT
from traffic.locust_run.arguments import add_options
from traffic.locust_run.options import TrafficOptions, find_target, new_manifest
from traffic.locust_run.run_verdict import next_step
from traffic.locust_run.web_form import with_form
from traffic.wiki_sessions.options import add_wiki_options


def options_of(*adds: object) -> set[str]:
    parser = ArgumentParser(add_help=False)
    for add in adds:
        add(parser)  # type: ignore[operator]
    return {option for action in parser._actions for option in action.option_strings}


@pytest.mark.parametrize(("file", "adds"), [("ctr", (add_options,)), ("wiki", (add_options, add_wiki_options))])
def test_locusts_help_lists_every_option(file: str, adds: tuple[object, ...]) -> None:
    command = [sys.executable, "-m", "locust", "-f", f"locustfiles/{file}.py", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=240)
    assert {option for option in options_of(*adds) if option not in done.stdout} == set()


def test_a_form_is_read_as_locust_reads_it() -> None:
    spans = {"2m": 120.0}
    options = Namespace(aa=False, visitors=5, time_scale=1.0, shape="constant", run_time=None)
    form = {"aa": "true", "visitors": "12", "time_scale": "2.5", "shape": "poisson", "run_time": "2m", "unknown": "1"}
    result = with_form(options, form, spans.__getitem__)
    assert result == Namespace(aa=True, visitors=12, time_scale=2.5, shape="poisson", run_time=120)
    assert options.visitors == 5


@pytest.mark.parametrize("form", [{"visitors": "many"}, {"run_time": "soon"}])
def test_what_is_not_a_number_is_named(form: dict[str, str]) -> None:
    [(name, text)] = form.items()
    with pytest.raises(ValueError, match=rf"{name.replace('_', ' ')} '{text}'"):
        with_form(Namespace(visitors=5, run_time=None), form, float)


def test_the_line_at_the_end_names_the_whole_command() -> None:
    options = TrafficOptions()
    manifest = new_manifest("one", options, find_target(options), plan().settings)
    assert next_step(ROOT / "runs" / "my run", manifest).endswith(f"analyse '{ROOT}/runs/my run' --ingest`")
    manifest = replace(manifest, target={**manifest.target, "name": "beta"})
    assert "--observed ROWS`" in next_step(ROOT, manifest)
