"""External text is data, and neither a character nor a closed pipe ends a command."""

import csv
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from analysis.reports.links import within
from common.junit_xml import to_bytes
from dogfood.console import new_console, outside, say, visible
from dogfood.tickets.export import inert
from dogfood.watch.stream_tail import line_of
from tests.dogfood.conftest import call_in

#: A title that is markup, an emoji code, a terminal's escape sequences, NUL, a C1 control and a bidi override.
HOSTILE = "\\[/b] [red]x[/] :smile: \x1b]0;owned\x07\x1b[2J\x00\x9b31m\u202eabc\u2066"

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def shown_by(*renderables: object) -> str:
    out = io.StringIO()
    console = new_console(file=out, width=200)
    for renderable in renderables:
        console.print(renderable)
    return out.getvalue()


def hostile_table() -> Table:
    table = Table(HOSTILE, title=HOSTILE)
    table.add_row(HOSTILE)
    table.add_row(Text(HOSTILE, "red"))
    return table


@pytest.mark.parametrize(
    "renderable",
    [HOSTILE, Text(HOSTILE, "bold"), outside(HOSTILE), Panel(HOSTILE), Panel(Text.assemble((HOSTILE, "red"))),
     hostile_table()],
    ids=["str", "text", "outside", "panel", "panel-text", "table"],
)  # fmt: skip
def test_outside_text_is_never_markup_or_control(renderable: object) -> None:
    shown = shown_by(renderable)
    assert not _CONTROLS.search(shown)
    assert "[red]x[/] :smile:" in shown
    assert "\u241b" in shown


def test_live_displays_show_control_characters() -> None:
    out = io.StringIO()
    with Live(hostile_table(), console=new_console(file=out, width=200), auto_refresh=False):
        pass
    assert not _CONTROLS.search(out.getvalue())


def test_outside_text_is_one_line() -> None:
    assert visible("a\nGO\r\tb") == "a\u240aGO\u240d\u2409b"


def test_scripts_that_need_joiners_keep_them() -> None:
    assert visible("می\u200cخواهم 👩\u200d🚀") == "می\u200cخواهم 👩\u200d🚀"


def test_only_console_module_creates_consoles() -> None:
    root = Path(__file__).resolve().parents[2] / "dogfood"
    others = [path.name for path in root.rglob("*.py") if path.name != "console.py"]
    assert len(others) > 20
    items = [
        path.name
        for path in root.rglob("*.py")
        if path.name != "console.py" and re.search(r"(?<![\w])Console\(", path.read_text())
    ]
    assert items == []


def test_say_keeps_lines_and_shows_controls(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\n\x1b[2J")
    assert capsys.readouterr().out == "a\n\u241b[2J\n"


def test_watch_shows_hostile_titles(tmp_path: Path) -> None:
    rows = tmp_path / "rows.ndjson"
    event = {"meta": {"dt": "2025-01-27T14:30:00.000Z"}, "action": HOSTILE, "page": {"title": HOSTILE}}
    import orjson

    rows.write_bytes(orjson.dumps(event) + b"\n")
    done = call_in(tmp_path, "watch", "--observed", str(rows), "--once")
    assert done.returncode == 0, done.stderr
    assert "[red]x[/]" in done.stdout
    assert not _CONTROLS.search(done.stdout)
    assert not _CONTROLS.search(line_of(event))


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_no_character_ends_a_command(tmp_path: Path, encoding: str) -> None:
    rows = tmp_path / "rows.ndjson"
    rows.write_text(
        '{"meta":{"dt":"2025-01-27T14:30:00.000Z"},"action":"click","page":{"title":"Straße 東京 ✓ \\ud83d"}}\n'
    )
    code = "from dogfood.cli import main; main()"
    command = [sys.executable, "-c", code, "watch", "--observed", str(rows), "--once"]
    environment = {"PATH": os.defpath, "PYTHONIOENCODING": encoding, "DOGFOOD_TESTBED": str(tmp_path / "testbed")}
    done = subprocess.run(command, capture_output=True, env=environment, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    help_page = [sys.executable, "-c", code, "assign"]
    done = subprocess.run(
        help_page, input="東京\n".encode(), capture_output=True, env=environment, timeout=240, check=False
    )
    assert done.returncode == 2
    assert b"error: " in done.stderr


def test_a_closed_pipe_leaves_the_exit_code(tmp_path: Path) -> None:
    code = "from dogfood.cli import main; main()"
    for arguments, wanted in ((("checks",), 0), (("events", "--visitors", "3000"), 0), (("power", "--json"), 0)):
        with subprocess.Popen(
            [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            text = process.stderr.read()
            assert process.wait(240) == wanted, text
            assert text == b""


def test_a_full_output_is_invalid_in_one_line(tmp_path: Path) -> None:
    code = "from dogfood.cli import main; main()"
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", code, "checks"], stdout=full, stderr=subprocess.PIPE, timeout=240, check=False,
            env={"PATH": os.defpath, "TMPDIR": str(tmp_path)}, text=True,
        )  # fmt: skip
    assert done.returncode == 4
    assert len(done.stderr.splitlines()) == 1
    assert "No space left" in done.stderr


def test_junit_with_any_text_is_xml() -> None:
    suite = ElementTree.Element("testsuite", name=HOSTILE)
    ElementTree.SubElement(suite, "testcase", name="\ud800\uffff").text = HOSTILE
    root = ElementTree.fromstring(to_bytes(suite))  # noqa: S314 (made here)
    assert root[0].text is not None
    assert root[0].text.startswith("\\[/b] [red]x[/] :smile: ")


@pytest.mark.parametrize(
    "path", ["javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "evidence/javascript:x", "a b/&<'\">"]
)
def test_a_finding_links_into_its_run_only(path: str) -> None:
    assert re.fullmatch(r"\./[\w.%~/-]+", within(path))


@pytest.mark.parametrize("path", ["", "/etc/passwd", "//evil.example/x", "../x", "a/../../x", "\\\\evil\\x"])
def test_path_outside_the_run_is_not_a_link(path: str) -> None:
    assert within(path) == ""


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\n=1", "\uff1d1", "|calc"])
def test_no_cell_is_a_formula(cell: str) -> None:
    text = io.StringIO()
    csv.writer(text).writerow([inert(cell)])
    assert next(csv.reader(io.StringIO(text.getvalue(), newline="")))[0] == f"'{cell}"
