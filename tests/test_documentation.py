"""What is documented is there, and what is there is documented."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from analysis.checks import CHECKS
from browser_scenarios.scenarios import SCENARIOS
from dogfood.cli import cli
from dogfood.cli_reference import reference
from dogfood.command_examples import EXAMPLES, every_command
from dogfood.tickets.ticket import read_tickets
from run_record.target import FOLDER, Target
from tests.documents import DOCS, PAGES, ROOT, Block, blocks, calls, find_command, unknown_options
from tests.wikis import need

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = [block for page in PAGES for block in blocks(page)]
PROSE = "\n".join(page.read_text(encoding="utf-8") for page in PAGES) + (DOCS / "reference/cli.md").read_text(
    encoding="utf-8"
)


def test_every_check_has_its_paragraph() -> None:
    text = (DOCS / "reference/checks.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^## ([a-z-]+)$", text, flags=re.MULTILINE))
    assert documented == {check.name for check in CHECKS}


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_is_in_the_plan(name: str) -> None:
    assert re.search(rf"\b{name}\b", (DOCS / "plan/dogfooding-plan.md").read_text(encoding="utf-8"))


def test_the_reference_of_the_command_line_is_what_the_commands_say() -> None:
    assert (DOCS / "reference/cli.md").read_text(encoding="utf-8") == reference(), "make reference"


def test_every_option_of_the_command_line_has_help() -> None:
    for name, command in every_command(cli):
        assert command.help, name
        for parameter in command.params:
            assert not isinstance(parameter, click.Option) or parameter.help, (name, parameter.name)


def test_every_command_in_the_documents_exists_with_its_options() -> None:
    used = [(block.where, words) for block in BLOCKS for words in calls(block.text, "dogfood")]
    used += [("EXAMPLES", words) for lines in EXAMPLES.values() for line in lines for words in calls(line, "dogfood")]
    # What is said in a sentence or a table; placeholders in capitals are no options.
    used += [("prose", words) for code in re.findall(r"`(dogfood [^`]+)`", PROSE) for words in calls(code, "dogfood")]
    assert len(used) > 80
    planned = {ticket.command.split()[1] for ticket in read_tickets() if ticket.planned}
    for where, words in used:
        try:
            command, rest = find_command(cli, [word for word in words if word != "…"])
        except KeyError as error:
            if error.args[0] in planned or str(error.args[0]).isupper():
                continue
            raise AssertionError(f"{where}: there is no command {error} (dogfood {' '.join(words)})") from None
        assert not unknown_options(command, rest), (where, words)


def test_documented_production_commands_are_confirmed() -> None:
    sends = {"run", "browse", "capacity"}
    used = [words for block in BLOCKS for words in calls(block.text, "dogfood")]
    used += [words for code in re.findall(r"`(dogfood [^`]+)`", PROSE) for words in calls(code, "dogfood")]
    named = [words for words in used if words and words[0] in sends and "targets/testwiki.toml" in words]
    assert named
    for words in named:
        assert "testwiki" in words[words.index("--confirm") + 1 :][:1], words


def test_the_documented_user_is_in_a_group() -> None:
    lines = [line for page in PAGES for line in page.read_text(encoding="utf-8").splitlines()]
    names = {match[1] for line in lines if (match := re.match(r"echo '(\{.*\})' \| dogfood assign$", line))}
    assert len(names) > 1
    done = CliRunner().invoke(cli, ["assign"], input="\n".join([*names, ""]))
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(names)
    assert all(answer["in_sample"] and answer["group"] for answer in answers)


def test_test_rows_are_left_out_by_one_filter() -> None:
    assert {page.name for page in PAGES if "NOT LIKE" in page.read_text(encoding="utf-8")} == {"targets.md"}


def test_folders_of_a_run_exist_in_the_code() -> None:
    named = set(re.findall(r"runs/latest/(\w+)/", PROSE))
    code = "\n".join(
        path.read_text("utf-8") for room in ("dogfood", "run_record") for path in (ROOT / room).rglob("*.py")
    )
    assert named
    assert [name for name in named if f'"{name}"' not in code] == []


def test_every_example_is_understood_by_its_command() -> None:
    for name, command in every_command(cli):
        for line in EXAMPLES.get(name, ()):
            assert any(f"dogfood {name}" in part for part in line.split("|")), line
            for words in calls(line, "dogfood"):
                result, rest = find_command(cli, words)
                assert result is command, line
                # An example of a file that is not there says nothing of the options.
                existing = [word for word in rest if not re.search(r"\.(toml|ndjson|parquet|html|xml|json)$", word)]
                if existing == rest:
                    result.make_context(name, list(rest), resilient_parsing=False).close()


def test_what_make_can_make_is_what_the_documents_say() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    shown = re.findall(r"`make ([a-z-]+)", PROSE)
    shown += [words[0] for block in BLOCKS for words in calls(block.text, "make") if words]
    assert {"dogfood", "test"} <= set(shown) <= targets | {"help"}
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == targets


def test_every_variable_of_the_environment_that_is_read_is_documented() -> None:
    read: set[str] = set()
    for path in (path for room in ("dogfood", "traffic", "browser_scenarios", "run_record", "testbed")
                 for path in (ROOT / room).rglob("*.py")):  # fmt: skip
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                read.update(re.findall(r"^(?:DOGFOOD|PHABRICATOR)_[A-Z_]+$", node.value))
    assert {"DOGFOOD_RUNS", "DOGFOOD_TESTBED", "PHABRICATOR_TOKEN"} <= read
    # By these the testbed's own processes tell PHP where they are.
    between_processes = {"DOGFOOD_WIKI", "DOGFOOD_WIKI_RELEASE", "DOGFOOD_WIKI_SEEDING"}
    assert {name for name in read - between_processes if name not in PROSE} == set()


def test_every_setting_of_the_wiki_that_can_be_changed_is_documented() -> None:
    # The testbed's inside is not imported: read what it offers from its text.
    tree = ast.parse((ROOT / "testbed" / "wiki" / "installation.py").read_text(encoding="utf-8"))
    (table,) = [
        node.value for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "CHANGEABLE"
    ]  # fmt: skip
    assert isinstance(table, ast.Dict)
    settings = [key.value for key in table.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]
    text = (DOCS / "guide/local-testwiki.md").read_text(encoding="utf-8")
    assert len(settings) > 4
    assert [name for name in settings if f"`{name}`" not in text] == []


def test_every_field_of_a_target_is_documented() -> None:
    wanted = {item.name for item in fields(Target)} - {"name"}
    page = DOCS / "reference/targets.md"
    documented = page.read_text(encoding="utf-8") if page.is_file() else str(Target.__doc__)
    assert [name for name in sorted(wanted) if not re.search(rf"^\W*`?{name}`?\b", documented, re.M)] == []


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_every_target_can_be_read_and_has_no_other_fields(path: Path) -> None:
    assert Target.read(str(path)).name == path.stem
    assert tomllib.loads(path.read_text(encoding="utf-8")).keys() <= {item.name for item in fields(Target)}


def test_every_folder_on_the_map_is_there_and_every_room_is_on_it() -> None:
    mapped = set(re.findall(r"^\| `([a-z_]+)/` \|", README, flags=re.MULTILINE))
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert mapped == rooms | {"targets"}
    architecture = (DOCS / "design/architecture.md").read_text(encoding="utf-8").partition("## Ideas")[0]
    assert set(re.findall(r"^\| `([a-z_]+)/` \|", architecture, flags=re.MULTILINE)) == rooms - {"bench"}


def test_every_file_that_the_documents_name_exists() -> None:
    named = re.findall(r"`((?:[a-z_]+/)+[\w.-]+\.(?:py|sql|sh))`", PROSE)
    assert len(named) > 60
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_every_module_that_the_documents_run_exists() -> None:
    modules = re.findall(r"python -m ([a-z_.]+)", PROSE)
    paths = [ROOT / name.replace(".", "/") for name in modules]
    files = [(path.with_suffix(".py"), path / "__main__.py") for path in paths]
    assert len(files) > 10
    assert [module for module, package in files if not module.is_file() and not package.is_file()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text)
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_that_says_of_one_block_whether_it_is_executed_says_so_of_all(page: Path) -> None:
    items = list(blocks(page))
    if any(block.mark for block in items):
        assert [block.where for block in items if not block.mark] == []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation as a site, built strictly beside a copy of the pages."""
    home = tmp_path_factory.mktemp("documentation")
    shutil.copytree(DOCS, home / "docs")
    shutil.copy(ROOT / "mkdocs.yml", home)
    done = subprocess.run(
        [Path(sys.executable).parent / "zensical", "build", "--clean", "--strict"],
        cwd=home, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    # A generator that nobody maintains any longer says so here.
    assert "warning" not in (done.stdout + done.stderr).lower()
    return home / "site"


def test_the_site_has_every_page_and_fetches_nothing(site: Path) -> None:
    pages = {path.relative_to(site).with_suffix(".md") for path in site.rglob("*.html")}
    wanted = {path.relative_to(DOCS) for path in DOCS.rglob("*.md") if path.name != "README.md"}
    assert wanted <= pages
    loaded = [
        address
        for path in site.rglob("*.html")
        for address in re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(https?://[^"]+)', path.read_text("utf-8"))
    ]
    assert loaded == []


def test_every_page_is_in_the_navigation() -> None:
    listed = set(re.findall(r": ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert listed == {str(path.relative_to(DOCS)) for path in DOCS.glob("*.md")} | {"tickets/README.md"}


_READ_AS_A_FILE = """
import sys
from pathlib import Path
from playwright.sync_api import sync_playwright
from browser_scenarios.chromium import find_browser
site, pages = Path(sys.argv[1]), [entry.split("=") for entry in sys.argv[2:]]
with sync_playwright() as p:
    browser = p.chromium.launch(executable_path=find_browser(p.chromium.executable_path), args=["--no-sandbox"])
    page, asked = browser.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    for name, diagrams in pages:
        page.goto((site / name).as_uri())
        page.wait_for_function("() => !document.querySelector('pre.mermaid')", timeout=60_000)
        assert page.locator("div.mermaid").count() == int(diagrams), name
    page.keyboard.press("/")
    page.keyboard.type("ceilings")
    page.locator("a[href*='targets.html#one-budget']").last.click(timeout=60_000)
    page.wait_for_url("**/targets.html*", timeout=60_000)
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
"""


@pytest.mark.slow
def test_the_site_as_a_file_draws_and_searches() -> None:
    need("npm", "chromium")
    subprocess.run(["make", "docs"], cwd=ROOT, check=True, capture_output=True)
    diagrams = [
        f"{path.relative_to(DOCS).with_suffix('.html')}={number}"
        for path in PAGES
        if path.is_relative_to(DOCS) and (number := path.read_text(encoding="utf-8").count("\n```mermaid\n"))
    ]
    assert len(diagrams) > 2
    done = subprocess.run(
        [sys.executable, "-c", _READ_AS_A_FILE, ROOT / "site", *diagrams], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_picture_is_made_by_its_command(judged_home: Path) -> None:
    need("chromium")
    done = subprocess.run(
        [sys.executable, "-m", "bench.picture", "--runs", judged_home / "runs", "--to", judged_home / "picture.png"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    picture = (judged_home / "picture.png").read_bytes()
    # Width and height in a PNG's first chunk.
    assert [int.from_bytes(picture[at : at + 4], "big") for at in (16, 20)] == [1100, 632]


def test_readme_opens_with_what_the_kit_tells() -> None:
    sections = re.findall(r"^## (.*)$", README, flags=re.MULTILINE)
    assert sections[0] == "Two commands"
    opening = README.partition("## ")[0]
    assert opening.split("\n\n")[1].startswith("This kit tells you")
    assert len(opening.split()) < 100


def test_the_hooks_before_a_commit_are_local_and_well_formed() -> None:
    done = subprocess.run([sys.executable, "-m", "pre_commit", "validate-config"], cwd=ROOT, check=False)
    assert done.returncode == 0
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert re.findall(r"repo: (\S+)", text) == ["local"]


def executed(block: Block, home: Path) -> None:
    """Execute *block* in the folder *home*, as a person would in the repository."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DOGFOOD_TESTBED": str(home / "testbed"),
        "DOGFOOD_RUNS": str(home / "runs"),
    }
    done = subprocess.run(
        ["bash", "-eu", "-c", block.text], cwd=home, env=environment, capture_output=True, text=True, timeout=900,
        check=False,
    )  # fmt: skip
    assert done.returncode == block.exit_code, (
        f"{block.where}\n{done.stdout[-2000:]}\n{done.stderr[:2000]}\n…\n{done.stderr[-2000:]}"
    )


CHEAP = [block for block in BLOCKS if block.executed and not block.slow]
SLOW = [block for block in BLOCKS if block.executed and block.slow]


@pytest.mark.parametrize("block", CHEAP, ids=lambda block: block.where)
def test_a_documented_command_works(block: Block, judged_home: Path) -> None:
    executed(block, judged_home)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("block", SLOW, ids=lambda block: block.where)
def test_a_documented_command_works_on_a_whole_testbed(block: Block, documented_home: Path) -> None:
    executed(block, documented_home)


@pytest.fixture(scope="module")
def judged_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `runs/` in which the latest run is one that was made up and judged, and no testbed."""
    from analysis.analyse import analyse, write
    from analysis.reports.html import render
    from tests.analysis.runs import make_run

    home = tmp_path_factory.mktemp("judged")
    run = make_run(home / "runs" / "20250131-143000", visitors=400)
    run.land()
    analysis = analyse(run.folder)
    write(run.folder, analysis, render(analysis))
    (home / "runs" / "latest").symlink_to("20250131-143000")
    for name in ("docs", "Makefile"):
        (home / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "targets", home / "targets")
    return home
