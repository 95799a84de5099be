"""`dogfood faults`: does the kit find what can go wrong, name the layer, and stay silent otherwise?"""

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

# What makes runs takes seconds to import, and the list of faults needs none of it.
if TYPE_CHECKING:
    from dogfood.faults.recipes import Recipe
    from dogfood.faults.report import CleanRuns
    from dogfood.faults.runs import Row
    from dogfood.testbed_control.services import Testbed

Fault = Mapping[str, str]

_EPILOG = (
    "Several faults at once are joined by a plus: a+b. Exit codes: 0 every fault was found in its layer and no clean "
    "run was called, 1 not so, 2 wrong use, 4 the kit was at fault."
)

#: How many clean runs are made when the whole catalogue is asked for.
_CLEAN = 4


@click.command(epilog=_EPILOG)
@click.argument("names", metavar="[ID[+ID] ...]", nargs=-1)
@click.option("--list", "only_list", is_flag=True, help="List the catalogue, and run nothing.")
@click.option("--clean", type=Count(0, 10_000), help=f"Clean runs besides; default: {_CLEAN} with the whole catalogue.")
@click.option("--junit", "report", type=click.Path(path_type=Path, dir_okay=False), help="Write JUnit XML.")
@click.option("--docs", type=click.Path(path_type=Path, dir_okay=False, exists=True),
              help="Put the matrix between its marks in this Markdown file.")  # fmt: skip
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False),
              help="Folder for testbed and runs, which stay; default: a temporary one.")  # fmt: skip
@click.option("--testbed", "like", type=click.Path(path_type=Path, file_okay=False), default=Path(".testbed"),
              show_default=True, envvar="DOGFOOD_TESTBED", show_envvar=True,
              help="Whose MediaWiki and accounts are copied, if it has any.")  # fmt: skip
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
    """Switch on faults of the catalogue (default: all, one at a time), run, judge, and show what was found.

    Each is judged from its run alone: neither the run nor the analysis is told what was switched on.
    """
    catalogue = {fault["id"]: fault for fault in read_catalogue()}
    if only_list:
        _list(list(catalogue.values()), as_json=as_json)
        return
    from dogfood.faults.report import junit, matrix, put_between_marks
    from dogfood.testbed_control.services import Testbed

    asked = [_named(catalogue, name) for name in names] or [(fault,) for fault in catalogue.values()]
    count = clean if clean is not None else 0 if names else _CLEAN
    told = new_console(stderr=as_json)
    with _folder(keep) as folder:
        rows, runs = _run(asked, count, folder, Testbed(like), told)
    content = {"faults": [row.to_json() for row in rows], "clean": runs.to_json()}
    if report is not None:
        atomic_write(report, junit(rows, runs))
    if docs is not None:
        put_between_marks(docs, "matrix", matrix(rows, runs))
    if as_json:
        click.echo(orjson.dumps(content, option=orjson.OPT_INDENT_2))
    else:
        _show(told, rows, runs)
    sys.exit(not (all(row.found for row in rows) and runs.are_clean))


def _named(catalogue: Mapping[str, Fault], name: str) -> tuple[Fault, ...]:
    ids = name.split("+")
    if unknown := [word for word in ids if word not in catalogue]:
        raise DogfoodError(f"there is no fault {unknown[0]!r}: {', '.join(catalogue)}")
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
    asked: Sequence[tuple[Fault, ...]], clean: int, folder: Path, like: "Testbed", told: Console
) -> "tuple[list[Row], CleanRuns]":
    """Make the runs, first those that need the wiki no more than the intake does, then the others."""
    from dogfood.faults.environment import faulty_testbed
    from dogfood.faults.recipes import clean_recipes, recipe_of
    from dogfood.faults.report import CleanRuns
    from dogfood.faults.runs import clean_run, faulty_run, fired_checks, needs_wiki

    recipes = clean_recipes()
    plans: list[tuple[tuple[Fault, ...], Recipe]] = [(faults, recipe_of(faults)) for faults in asked]
    cleans = [recipes[number % len(recipes)] for number in range(clean)]
    rows: dict[str, Row] = {}
    found = CleanRuns()
    for on_wiki in (False, True):
        mine = [plan for plan in plans if needs_wiki(plan[1]) is on_wiki]
        quiet = [(number, recipe) for number, recipe in enumerate(cleans, start=1) if needs_wiki(recipe) is on_wiki]
        if not mine and not quiet:
            continue
        with faulty_testbed(folder, like, wiki=on_wiki, told=told) as testbed:
            for faults, recipe in mine:
                row = faulty_run(testbed, folder / "runs", faults, recipe)
                rows[row.id] = row
                _tell(told, row)
            for seed, recipe in quiet:
                analysis, seconds = clean_run(testbed, folder / "runs", recipe, seed)
                found = found.with_run(analysis, [check.name for check in fired_checks(analysis)], seconds)
                told.print(f"clean ({recipe.fidelity}, {recipe.generation}): {analysis.verdict} in {seconds:.0f} s")
    return [rows["+".join(fault["id"] for fault in faults)] for faults in asked], found


def _tell(told: Console, row: "Row") -> None:
    word = ("found", "green") if row.found else ("NOT FOUND", "red")
    named = f", {row.layer_named or 'no layer'} ({', '.join(row.checks)}) in {row.seconds:.0f} s"
    told.print(Text.assemble(f"{row.id}: ", word, named))


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
    for column in ("fault", "expected", "named", "checks that fired", "subjects", "seconds", "what the user reads"):
        table.add_column(column, overflow="fold")
    for row in rows:
        colour = "green" if row.found else "red"
        table.add_row(
            row.id, row.layer_expected, Text(row.layer_named or "–", colour), ", ".join(row.checks),
            f"{row.subjects:,}", f"{row.seconds:.0f}", row.sentence,
        )  # fmt: skip
    console.print(table)
    found = sum(row.found for row in rows)
    console.print(f"{found} of {len(rows)} found, each in its layer; {runs.told()}")
