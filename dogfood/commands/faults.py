"""`dogfood faults`: does the verdict name the layer of each known fault, and raise no false alarm?"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click
import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from common.atomic_write import atomic_write
from common.bounded_numbers import Count
from common.errors import DogfoodError
from dogfood.commands.options import AS_JSON
from dogfood.console import new_console
from dogfood.faults.catalogue import read_catalogue

# The modules that make runs take seconds to import; `--list` does not need them.
if TYPE_CHECKING:
    from dogfood.faults.recipes import Recipe
    from dogfood.faults.report import CleanRuns
    from dogfood.faults.runs import Row
    from dogfood.testbed_control.services import Testbed

Fault = Mapping[str, str]

_EPILOG = (
    "Join faults of one run by a plus: a+b. Exit codes: 0 every fault was detected in its layer without a false alarm, "
    "1 a fault was missed or there was a false alarm, 2 wrong use, 4 the kit was at fault."
)

#: Number of clean runs with the whole catalogue.
_CLEAN_RUNS = 4


@click.command(epilog=_EPILOG)
@click.argument("names", metavar="[ID[+ID] ...]", nargs=-1)
@click.option("--list", "only_list", is_flag=True, help="List the catalogue without running anything.")
@click.option("--clean", type=Count(0, 10_000), metavar="RUNS", show_default=f"{_CLEAN_RUNS} with the whole catalogue",
              help="Additional runs without a fault.")  # fmt: skip
@click.option("--junit", "report", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Write the results as JUnit XML.")  # fmt: skip
@click.option("--docs", type=click.Path(path_type=Path, dir_okay=False, exists=True), metavar="FILE",
              help="Markdown file whose matrix to replace.")  # fmt: skip
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
              show_default="a temporary folder", help="Folder that keeps the testbed and the runs.")  # fmt: skip
@click.option("--testbed", "like", type=click.Path(path_type=Path, file_okay=False), default=Path(".testbed"),
              show_default=True, envvar="DOGFOOD_TESTBED", show_envvar=True,
              help="Testbed whose MediaWiki and accounts are copied, if it has any.")  # fmt: skip
@AS_JSON
def faults(
    names: tuple[str, ...],
    only_list: bool,
    clean: int | None,
    report: Path | None,
    docs: Path | None,
    keep: Path | None,
    like: Path,
    as_json: bool,
) -> None:
    """Switch on faults of the catalogue (default: all, one per run), run, judge, and show the layers named.

    Neither the run nor the analysis knows which fault is on.
    """
    catalogue = {fault["id"]: fault for fault in read_catalogue()}
    if only_list:
        _list(list(catalogue.values()), as_json=as_json)
        return
    from dogfood.faults.report import junit, matrix, replace_between_marks
    from dogfood.testbed_control.services import Testbed

    fault_sets = [_named(catalogue, name) for name in names] or [(fault,) for fault in catalogue.values()]
    count = clean if clean is not None else 0 if names else _CLEAN_RUNS
    console = new_console(stderr=as_json)
    with _folder(keep) as folder:
        rows, runs = _run(fault_sets, count, folder, Testbed(like), console)
    content = {"faults": [row.to_json() for row in rows], "clean": runs.to_json()}
    if report is not None:
        atomic_write(report, junit(rows, runs))
    if docs is not None:
        replace_between_marks(docs, "matrix", matrix(rows, runs))
    if as_json:
        click.echo(orjson.dumps(content, option=orjson.OPT_INDENT_2))
    else:
        _show(console, rows, runs)
    sys.exit(not (all(row.detected for row in rows) and runs.are_clean))


def _named(catalogue: Mapping[str, Fault], name: str) -> tuple[Fault, ...]:
    ids = name.split("+")
    if unknown := [word for word in ids if word not in catalogue]:
        raise DogfoodError(f"there is no fault {unknown[0]!r}; the faults are {', '.join(catalogue)}")
    return tuple(catalogue[word] for word in ids)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
        return
    with TemporaryDirectory(prefix="dogfood-faults-") as name:
        yield Path(name)


def _run(
    fault_sets: Sequence[tuple[Fault, ...]], clean: int, folder: Path, like: "Testbed", console: Console
) -> "tuple[list[Row], CleanRuns]":
    """Make the runs, first those without the wiki, then those with it."""
    from dogfood.faults.environment import faulty_testbed
    from dogfood.faults.recipes import clean_recipes, recipe_of
    from dogfood.faults.report import CleanRuns
    from dogfood.faults.runs import clean_run, faulty_run, fired_checks, needs_wiki

    recipes = clean_recipes()
    plans: list[tuple[tuple[Fault, ...], Recipe]] = [(faults, recipe_of(faults)) for faults in fault_sets]
    cleans = [recipes[number % len(recipes)] for number in range(clean)]
    rows: dict[str, Row] = {}
    clean_results = CleanRuns()
    for on_wiki in (False, True):
        faulty = [plan for plan in plans if needs_wiki(plan[1]) is on_wiki]
        fault_free = [
            (number, recipe) for number, recipe in enumerate(cleans, start=1) if needs_wiki(recipe) is on_wiki
        ]
        if not faulty and not fault_free:
            continue
        with faulty_testbed(folder, like, wiki=on_wiki, console=console) as testbed:
            for faults, recipe in faulty:
                row = faulty_run(testbed, folder / "runs", faults, recipe)
                rows[row.id] = row
                _print_row(console, row)
            for seed, recipe in fault_free:
                analysis, seconds = clean_run(testbed, folder / "runs", recipe, seed)
                fired = [check.name for check in fired_checks(analysis)]
                clean_results = clean_results.with_run(analysis, fired, seconds)
                console.print(f"clean ({recipe.fidelity}, {recipe.generation}): {analysis.verdict} in {seconds:.0f} s")
    return [rows["+".join(fault["id"] for fault in faults)] for faults in fault_sets], clean_results


def _print_row(console: Console, row: "Row") -> None:
    word = ("detected", "green") if row.detected else ("NOT DETECTED", "red")
    named = f", {row.layer_named or 'no layer'} ({', '.join(row.checks)}) in {row.seconds:.0f} s"
    console.print(Text.assemble(f"{row.id}: ", word, named))


def _list(rows: Sequence[Fault], *, as_json: bool) -> None:
    if as_json:
        click.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2))
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    columns = ("id", "layer", "fidelity", "generation", "what")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(row[column] for column in columns))
    new_console().print(table)


def _show(console: Console, rows: "Sequence[Row]", runs: "CleanRuns") -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("fault", "expected", "named", "checks that fired", "subjects", "seconds", "verdict's sentence"):
        table.add_column(column, overflow="fold")
    for row in rows:
        colour = "green" if row.detected else "red"
        table.add_row(
            row.id, row.layer_expected, Text(row.layer_named or "–", colour), ", ".join(row.checks),
            f"{row.subjects:,}", f"{row.seconds:.0f}", row.sentence,
        )  # fmt: skip
    console.print(table)
    detected = sum(row.detected for row in rows)
    console.print(f"{detected} of {len(rows)} detected, each in its layer; {runs.summary()}")
