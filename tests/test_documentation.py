"""The documentation matches the code: commands, options, files, links, and the examples."""

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
from dogfood.cli_examples import EXAMPLES, every_command
from dogfood.cli_reference import reference
from dogfood.tickets.ticket import read_tickets
from run_record.target import FOLDER, Target
from tests.documents import DOCS, PAGES, ROOT, Block, blocks, calls, find_command, unknown_options
from tests.prose import tracked_files
from tests.wikis import need

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = [block for page in PAGES for block in blocks(page)]
PROSE = "\n".join(page.read_text(encoding="utf-8") for page in PAGES) + (DOCS / "reference/cli.md").read_text(
    encoding="utf-8"
)


def test_checks_page_has_every_check() -> None:
    text = (DOCS / "reference/checks.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^## ([a-z-]+)$", text, flags=re.MULTILINE))
    assert documented == {check.name for check in CHECKS}


@pytest.mark.parametrize("name", SCENARIOS)
def test_plan_names_every_scenario(name: str) -> None:
    assert re.search(rf"\b{name}\b", (DOCS / "plan/dogfooding-plan.md").read_text(encoding="utf-8"))


def test_cli_reference_is_up_to_date() -> None:
    assert (DOCS / "reference/cli.md").read_text(encoding="utf-8") == reference(), "make reference"


def test_every_option_has_help() -> None:
    for name, command in every_command(cli):
        assert command.help, name
        for parameter in command.params:
            assert not isinstance(parameter, click.Option) or parameter.help, (name, parameter.name)


def test_documented_commands_and_options_exist() -> None:
    used = [(block.where, words) for block in BLOCKS for words in calls(block.text, "dogfood")]
    used += [("EXAMPLES", words) for lines in EXAMPLES.values() for line in lines for words in calls(line, "dogfood")]
    # Commands in a sentence or a table; placeholders in capitals are not options.
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


def test_documented_users_are_in_a_group() -> None:
    lines = [line for page in PAGES for line in page.read_text(encoding="utf-8").splitlines()]
    names = {match[1] for line in lines if (match := re.match(r"echo '(\{.*\})' \| dogfood assign$", line))}
    assert len(names) > 1
    completed = CliRunner().invoke(cli, ["assign"], input="\n".join([*names, ""]))
    answers = [json.loads(line) for line in completed.stdout.splitlines()]
    assert len(answers) == len(names)
    assert all(answer["in_sample"] and answer["group"] for answer in answers)


def test_one_page_has_the_filter_for_test_rows() -> None:
    assert {page.name for page in PAGES if "NOT LIKE" in page.read_text(encoding="utf-8")} == {"targets.md"}


def test_documented_run_folders_exist_in_the_code() -> None:
    named = set(re.findall(r"runs/latest/(\w+)/", PROSE))
    code = "\n".join(
        path.read_text("utf-8") for package in ("dogfood", "run_record") for path in (ROOT / package).rglob("*.py")
    )
    assert named
    assert [name for name in named if f'"{name}"' not in code] == []


def test_commands_accept_their_examples() -> None:
    for name, command in every_command(cli):
        for line in EXAMPLES.get(name, ()):
            assert any(f"dogfood {name}" in part for part in line.split("|")), line
            for words in calls(line, "dogfood"):
                result, rest = find_command(cli, words)
                assert result is command, line
                # An example with a missing file does not test the options.
                existing = [word for word in rest if not re.search(r"\.(toml|ndjson|parquet|html|xml|json)$", word)]
                if existing == rest:
                    result.make_context(name, list(rest), resilient_parsing=False).close()


def test_documented_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    shown = re.findall(r"`make ([a-z-]+)", PROSE)
    shown += [words[0] for block in BLOCKS for words in calls(block.text, "make") if words]
    assert {"dogfood", "test"} <= set(shown) <= targets | {"help"}
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == targets


def test_environment_variables_are_documented() -> None:
    read: set[str] = set()
    for path in (path for package in ("dogfood", "traffic", "browser_scenarios", "run_record", "testbed")
                 for path in (ROOT / package).rglob("*.py")):  # fmt: skip
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                read.update(re.findall(r"^(?:DOGFOOD|PHABRICATOR)_[A-Z_]+$", node.value))
    assert {"DOGFOOD_RUNS", "DOGFOOD_TESTBED", "PHABRICATOR_TOKEN"} <= read
    # The testbed's processes pass these paths to PHP.
    between_processes = {"DOGFOOD_WIKI", "DOGFOOD_WIKI_RELEASE", "DOGFOOD_WIKI_SEEDING"}
    assert {name for name in read - between_processes if name not in PROSE} == set()


def test_changeable_settings_of_the_wiki_are_documented() -> None:
    # `dogfood` does not import the testbed: read the settings from the module's source.
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


def test_target_fields_are_documented() -> None:
    wanted = {item.name for item in fields(Target)} - {"name"}
    page = DOCS / "reference/targets.md"
    documented = page.read_text(encoding="utf-8") if page.is_file() else str(Target.__doc__)
    assert [name for name in sorted(wanted) if not re.search(rf"^\W*`?{name}`?\b", documented, re.M)] == []


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_target_files_are_valid(path: Path) -> None:
    assert Target.read(str(path)).name == path.stem
    assert tomllib.loads(path.read_text(encoding="utf-8")).keys() <= {item.name for item in fields(Target)}


def test_layout_tables_list_every_package() -> None:
    listed = set(re.findall(r"^\| `([a-z_]+)/` \|", README, flags=re.MULTILINE))
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert listed == packages | {"targets"}
    architecture = (DOCS / "design/architecture.md").read_text(encoding="utf-8").partition("## Ideas")[0]
    assert set(re.findall(r"^\| `([a-z_]+)/` \|", architecture, flags=re.MULTILINE)) == packages - {"bench"}


def test_documented_files_exist() -> None:
    named = re.findall(r"`((?:[a-z_]+/)+[\w.-]+\.(?:py|sql|sh))`", PROSE)
    assert len(named) > 60
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_documented_modules_exist() -> None:
    modules = re.findall(r"python -m ([a-z_.]+)", PROSE)
    paths = [ROOT / name.replace(".", "/") for name in modules]
    files = [(path.with_suffix(".py"), path / "__main__.py") for path in paths]
    assert len(files) > 10
    assert [module for module, package in files if not module.is_file() and not package.is_file()] == []


def without_blocks(page: Path) -> str:
    """Return the text of *page* without code blocks."""
    return re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings of *page*."""
    headings = re.findall(r"^#+ (.*)$", without_blocks(page), flags=re.MULTILINE)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading.strip().lower())) for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_anchors_exist(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([\w-]+))?\)", without_blocks(page))
    for path, anchor in links:
        linked = page.parent / path if path else page
        assert linked.exists(), path
        assert not anchor or anchor in anchors(linked), f"{path}#{anchor}"


def test_links_to_documentation_in_the_code_exist() -> None:
    for name in tracked_files(".py", ".j2"):
        for path, anchor in re.findall(
            r"\b(docs/[\w/-]+\.md)(?:#([\w-]+))?", (ROOT / name).read_text(encoding="utf-8")
        ):
            assert (ROOT / path).is_file(), (name, path)
            assert not anchor or anchor in anchors(ROOT / path), (name, anchor)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_mark_all_blocks_or_none(page: Path) -> None:
    items = list(blocks(page))
    if any(block.mark for block in items):
        assert [block.where for block in items if not block.mark] == []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the documentation as a site, strictly, from a copy of the pages."""
    home = tmp_path_factory.mktemp("documentation")
    shutil.copytree(DOCS, home / "docs")
    shutil.copy(ROOT / "mkdocs.yml", home)
    completed = subprocess.run(
        [Path(sys.executable).parent / "zensical", "build", "--clean", "--strict"],
        cwd=home, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert completed.returncode == 0, completed.stdout + completed.stderr
    # An unmaintained generator warns here.
    assert "warning" not in (completed.stdout + completed.stderr).lower()
    return home / "site"


def test_site_has_every_page_and_fetches_nothing(site: Path) -> None:
    pages = {path.relative_to(site).with_suffix(".md") for path in site.rglob("*.html")}
    wanted = {path.relative_to(DOCS) for path in DOCS.rglob("*.md") if path.name != "README.md"}
    assert wanted <= pages
    loaded = [
        address
        for path in site.rglob("*.html")
        for address in re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(https?://[^"]+)', path.read_text("utf-8"))
    ]
    assert loaded == []


def test_navigation_has_every_page() -> None:
    listed = re.findall(r": ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), flags=re.MULTILINE)
    pages = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    assert set(listed) == {page for page in pages if not page.startswith("plan/tickets/")} | {"plan/tickets/README.md"}


_READ_AS_A_FILE = """
import sys
from pathlib import Path
from playwright.sync_api import sync_playwright
from browser_scenarios.chromium import find_browser
site, pages = Path(sys.argv[1]), [entry.split("=") for entry in sys.argv[2:]]
with sync_playwright() as p:
    browser = p.chromium.launch(executable_path=find_browser(p.chromium.executable_path), args=["--no-sandbox"])
    page, requested = browser.new_page(), []
    page.on("request", lambda request: requested.append(request.url))
    for name, diagrams in pages:
        page.goto((site / name).as_uri())
        page.wait_for_function("() => !document.querySelector('pre.mermaid')", timeout=60_000)
        assert page.locator("div.mermaid").count() == int(diagrams), name
    page.keyboard.press("/")
    page.keyboard.type("ceilings")
    page.locator("a[href*='targets.html#one-budget']").last.click(timeout=60_000)
    page.wait_for_url("**/targets.html*", timeout=60_000)
    assert [url for url in requested if not url.startswith(("file:", "data:", "blob:"))] == []
"""


@pytest.mark.slow
def test_site_as_a_file_draws_and_searches() -> None:
    need("npm", "chromium")
    subprocess.run(["make", "docs"], cwd=ROOT, check=True, capture_output=True)
    diagrams = [
        f"{path.relative_to(DOCS).with_suffix('.html')}={number}"
        for path in PAGES
        if path.is_relative_to(DOCS) and (number := path.read_text(encoding="utf-8").count("\n```mermaid\n"))
    ]
    assert len(diagrams) > 2
    completed = subprocess.run(
        [sys.executable, "-c", _READ_AS_A_FILE, ROOT / "site", *diagrams], capture_output=True, text=True, check=False
    )
    assert completed.returncode == 0, completed.stderr


@pytest.mark.slow
def test_picture_command_writes_a_picture(judged_home: Path) -> None:
    need("chromium")
    completed = subprocess.run(
        [sys.executable, "-m", "bench.picture", "--runs", judged_home / "runs", "--to", judged_home / "picture.png"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert completed.returncode == 0, completed.stderr
    picture = (judged_home / "picture.png").read_bytes()
    # Width and height in a PNG's first chunk.
    assert [int.from_bytes(picture[at : at + 4], "big") for at in (16, 20)] == [1100, 632]


def test_readme_opens_with_the_purpose() -> None:
    sections = re.findall(r"^## (.*)$", README, flags=re.MULTILINE)
    assert sections[0] == "Two commands"
    opening = README.partition("## ")[0]
    assert opening.split("\n\n")[1].startswith("This kit tells you")
    assert len(opening.split()) < 100


def test_commit_hooks_are_local_and_valid() -> None:
    completed = subprocess.run([sys.executable, "-m", "pre_commit", "validate-config"], cwd=ROOT, check=False)
    assert completed.returncode == 0
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert re.findall(r"repo: (\S+)", text) == ["local"]


def execute(block: Block, home: Path) -> None:
    """Execute *block* in the folder *home*, as a user would in the repository."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DOGFOOD_TESTBED": str(home / "testbed"),
        "DOGFOOD_RUNS": str(home / "runs"),
    }
    completed = subprocess.run(
        ["bash", "-eu", "-c", block.text], cwd=home, env=environment, capture_output=True, text=True, timeout=900,
        check=False,
    )  # fmt: skip
    assert completed.returncode == block.exit_code, (
        f"{block.where}\n{completed.stdout[-2000:]}\n{completed.stderr[:2000]}\n…\n{completed.stderr[-2000:]}"
    )


CHEAP = [block for block in BLOCKS if block.executed and not block.slow]
SLOW = [block for block in BLOCKS if block.executed and block.slow]


@pytest.mark.parametrize("block", CHEAP, ids=lambda block: block.where)
def test_documented_command_works(block: Block, judged_home: Path) -> None:
    execute(block, judged_home)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("block", SLOW, ids=lambda block: block.where)
def test_slow_documented_command_works(block: Block, documented_home: Path) -> None:
    execute(block, documented_home)


@pytest.fixture(scope="module")
def judged_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder without a testbed, whose latest run is synthetic and analysed."""
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
