"""Loader of the SQL files in `analysis/sql/`.

`sql/model/` defines relations, `sql/queries/` asks questions of them. Both are plain SQL that an analyst can paste.
"""

import re
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from analysis.engines.base import Value

#: Folders of `analysis/sql/`: relations that an engine defines or keeps, and questions.
_FOLDERS = ("model", "queries")


def sql(query: str, **tables: str) -> str:
    """Return the text of *query*, with *tables* in place of the tables that its file names."""
    text = _file(query).read_text(encoding="utf-8")
    for name, replacement in tables.items():
        text = text.replace(f"FROM {name}\n", f"FROM {replacement}\n")
    return text


def _file(query: str) -> Traversable:
    for folder in _FOLDERS:
        path = files("analysis") / "sql" / folder / f"{query}.sql"
        if path.is_file():
            return path
    raise FileNotFoundError(f"analysis/sql has no query {query!r}")


def substitute(text: str, values: Mapping[str, Value]) -> str:
    """Return *text* with *values* in place of its `$parameters`, which a view cannot have."""
    return re.sub(r"\$(\w+)", lambda match: literal(values[match[1]]), text)


def literal(value: Value) -> str:
    """Return *value* as an SQL literal."""
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def query_names() -> list[str]:
    """Return the names of all SQL files, relations and questions."""
    folder = Path(str(files("analysis") / "sql"))
    return sorted(path.stem for path in folder.glob("*/*.sql"))
