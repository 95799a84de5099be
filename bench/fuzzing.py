"""Share of random edits of a clean run that the analysis detects: `python -m bench.fuzzing RUN --edits 60 --seed 1`.

Each edit changes some of the run's rows in one way that is not in the fault catalogue: drop, double, swap, shift,
truncate or re-label. It may hit any field, any share and any segment. The edited rows are analysed as by
`dogfood analyse RUN --observed`. The report has the share of detected edits by number of changed rows, and all missed
edits.
"""

import argparse
import copy
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import duckdb
import orjson

from analysis.analyse import analyse
from analysis.verdict import Verdict
from contracts.table import read_parquet
from run_record.run_folder import OBSERVED, find_run

Row = dict[str, Any]

#: Shares of a segment's rows that are edited; at least one row.
SHARES = (0.0, 0.001, 0.01, 0.1, 0.5)

#: Fields that the intake fills in and no check uses; their values cannot be verified.
_OF_THE_INTAKE = (("http",), ("meta", "request_id"))

#: Fields that define segments.
_SEGMENTS = (
    ("action",), ("mediawiki", "skin"), ("agent", "client_platform_family"), ("performer", "edit_count_bucket"),
)  # fmt: skip

#: Classes of edits by number of changed rows.
_SIZES = {"1": range(1, 2), "2–9": range(2, 10), "10–99": range(10, 100), "more": range(100, 10**9)}


class Edit(NamedTuple):
    """One edit, as reported.

    Attributes:
        kind: kind of edit.
        field: edited field; empty for whole rows.
        segment: segment of the edited rows.
        rows: number of changed rows.
    """

    kind: str
    field: str
    segment: str
    rows: int


def edited(rows: Sequence[Row], chance: random.Random) -> tuple[list[Row], Edit]:
    """Return a copy of *rows* with one edit that changes at least one row, and the edit."""
    while True:
        new = copy.deepcopy(list(rows))
        segment, indexes = _segment(new, chance)
        share = chance.choice(SHARES)
        picked = chance.sample(indexes, max(1, round(share * len(indexes))))
        kind = chance.choice(tuple(_KINDS))
        field = _KINDS[kind](new, picked, chance)
        changed = _changed(rows, new)
        if changed:
            return new, Edit(kind, field, segment, changed)


def _segment(rows: Sequence[Row], chance: random.Random) -> tuple[str, list[int]]:
    field = chance.choice((None, *_SEGMENTS))
    if field is None:
        return "all", list(range(len(rows)))
    value = _get(chance.choice(rows), field)
    return f"{'.'.join(field)} = {value}", [number for number, row in enumerate(rows) if _get(row, field) == value]


def _drop(rows: list[Row], picked: Sequence[int], _: random.Random) -> str:
    for number in sorted(picked, reverse=True):
        del rows[number]
    return ""


def _double(rows: list[Row], picked: Sequence[int], _: random.Random) -> str:
    rows.extend(copy.deepcopy(rows[number]) for number in picked)
    return ""


def _swap(rows: list[Row], picked: Sequence[int], chance: random.Random) -> str:
    """Give each picked row another row's value."""
    path = _path(rows, picked, chance)
    values = [_get(row, path) for row in rows]
    for number in picked:
        _set(rows[number], path, copy.deepcopy(chance.choice(values)))
    return ".".join(path)


def _shift(rows: list[Row], picked: Sequence[int], chance: random.Random) -> str:
    """Shift a number or a time."""
    path = _path(rows, picked, chance, lambda value: _shifted(value, 1) is not None)
    by = chance.choice((1, -1, 60, 3_600))
    for number in picked:
        moved = _shifted(_get(rows[number], path), by)
        if moved is not None:
            _set(rows[number], path, moved)
    return ".".join(path)


def _truncate(rows: list[Row], picked: Sequence[int], chance: random.Random) -> str:
    path = _path(rows, picked, chance, lambda value: isinstance(value, str) and len(value) > 1)
    for number in picked:
        value = _get(rows[number], path)
        if isinstance(value, str):
            _set(rows[number], path, value[: chance.randint(0, len(value) - 1)] if value else value)
    return ".".join(path)


def _relabel(rows: list[Row], picked: Sequence[int], chance: random.Random) -> str:
    path = _path(rows, picked, chance, lambda value: isinstance(value, str))
    for number in picked:
        _set(rows[number], path, chance.choice(("", "other", "unknown")))
    return ".".join(path)


_KINDS: Mapping[str, Callable[[list[Row], Sequence[int], random.Random], str]] = {
    "drop": _drop, "double": _double, "swap": _swap, "shift": _shift, "truncate": _truncate, "re-label": _relabel,
}  # fmt: skip


def _path(
    rows: Sequence[Row],
    picked: Sequence[int],
    chance: random.Random,
    fits: Callable[[object], bool] = lambda _: True,
) -> tuple[str, ...]:
    """Return a field of one of the *picked* rows whose value *fits*."""
    paths = [path for path, value in _leaves(rows[chance.choice(picked)]) if fits(value)]
    return chance.choice(paths)


def _leaves(value: object, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], object]]:
    if path in _OF_THE_INTAKE:
        return []
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in _leaves(item, (*path, key))]
    return [(path, value)]


def _get(row: Row, path: Sequence[str]) -> object:
    value: object = row
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _set(row: Row, path: Sequence[str], value: object) -> None:
    for key in path[:-1]:
        row = row.setdefault(key, {})
    row[path[-1]] = value


def _shifted(value: object, by: int) -> object:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value + by
    if isinstance(value, str) and value[:2] == "20" and "T" in value:
        moved = datetime.fromisoformat(value) + timedelta(seconds=by)
        return moved.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return None


def _changed(before: Sequence[Row], after: Sequence[Row]) -> int:
    if len(before) != len(after):
        return abs(len(before) - len(after))
    return sum(one != other for one, other in zip(before, after, strict=True))


def read_rows(run: Path) -> list[Row]:
    """Return the observed events of the run in the folder *run*."""
    table = read_parquet(run / OBSERVED / "rows.parquet", duckdb.connect())
    return [_without_nulls(row) for row in table.to_pylist()]


def _without_nulls(value: Any) -> Any:  # noqa: ANN401 (JSON)
    """Return *value* as JSON: without nulls, and with maps as objects."""
    if isinstance(value, dict):
        return {
            "$schema" if key == "_schema" else key: _without_nulls(item)
            for key, item in value.items()
            if item is not None
        }
    if isinstance(value, list) and value and all(isinstance(item, tuple) for item in value):
        return {key: _without_nulls(item) for key, item in value}
    return value


def fuzz(run: Path, edits: int, seed: int) -> list[tuple[Edit, Verdict, str]]:
    """Return the edits of a run's rows, each with verdict and sentence."""
    chance = random.Random(seed)  # noqa: S311 (reproducible, not secret)
    rows = read_rows(run)
    results = []
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.ndjson"
        for number in range(edits):
            new, edit = edited(rows, chance)
            path.write_bytes(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in new))
            analysis = analyse(run, [path])
            results.append((edit, analysis.verdict, analysis.sentence))
            print(f"{number + 1}/{edits} {analysis.verdict}: {edit}", flush=True)
    return results


def main() -> None:
    """Edit and analyse; print detected and missed edits."""
    parser = argparse.ArgumentParser(prog="python -m bench.fuzzing", description=__doc__)
    parser.add_argument("run", help="a clean run: a name under runs/, `latest`, or a path")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--edits", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    results = fuzz(find_run(options.runs, options.run), options.edits, options.seed)
    print("\n| rows changed | edits | detected |\n|---|---|---|")
    for name, sizes in _SIZES.items():
        verdicts = [verdict for edit, verdict, _ in results if edit.rows in sizes]
        print(f"| {name} | {len(verdicts)} | {verdicts.count(Verdict.NO_GO)} |")
    missed = [edit for edit, verdict, _ in results if verdict is not Verdict.NO_GO]
    print(f"\n{len(results) - len(missed)} of {len(results)} detected; missed:")
    for edit in missed:
        print(f"  {edit.kind} {edit.field or 'rows'} in {edit.rows:,} rows ({edit.segment})")


if __name__ == "__main__":
    main()
