"""The picture in README: the top of a run's report, rendered by Chromium.

`make picture` renders the latest run's report; `RUN=NAME` names another.
"""

import argparse
from pathlib import Path

from playwright.sync_api import sync_playwright

from browser_scenarios.chromium import find_browser
from run_record.run_folder import LATEST, find_run

#: Width and height of the picture, CSS pixels.
_SIZE = (1100, 632)

_PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "verdict.png"


def draw(report: Path, picture: Path) -> None:
    """Write the top of *report*, an HTML file, as PNG to *picture*."""
    width, height = _SIZE
    with sync_playwright() as playwright:
        chromium = playwright.chromium
        browser = chromium.launch(executable_path=find_browser(chromium.executable_path), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme="light", offline=True)
        page.goto(report.resolve().as_uri())
        page.screenshot(path=picture, animations="disabled")
        browser.close()


def main() -> None:
    """Draw the report of the run that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", nargs="?", default=LATEST, metavar="RUN", help="Name of the run. [latest]")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="Folder of the runs. [runs]")
    parser.add_argument("--to", type=Path, default=_PICTURE, help="File to write. [docs/images/verdict.png]")
    chosen = parser.parse_args()
    draw(find_run(chosen.runs, chosen.run) / "report.html", chosen.to)


if __name__ == "__main__":
    main()
