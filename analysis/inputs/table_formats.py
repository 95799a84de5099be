"""Reader of Delta and Iceberg tables, with their libraries if installed; other table formats are refused."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from analysis.inputs.errors import InputError

_INSTALL = "install it (`pip install '.[lakes]'`), or export the table as Parquet or NDJSON"


def read_lake(folder: Path, format_: str) -> pa.Table:
    """Return the current rows of the table in *folder*.

    Args:
        folder: folder of the table.
        format_: `Delta` or `Iceberg`; other formats are refused.

    Raises:
        InputError: the format is not supported, its library is missing, or the table is damaged.
    """
    reader = {"Delta": _delta, "Iceberg": _iceberg}.get(format_)
    if reader is None:
        raise InputError(
            f"{folder} is a table of {format_}, which is not read; its files hold rows that are no longer in it: "
            "export the table as Parquet or NDJSON"
        )
    try:
        return reader(folder)
    except InputError:
        raise
    except ImportError as error:
        raise InputError(
            f"{folder} is a table of {format_}, and its reader is missing ({error}); {_INSTALL}"
        ) from error
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(
            f"{folder} is a table of {format_} that cannot be read ({reason[0]}); export it as Parquet or NDJSON"
        ) from error


def _delta(folder: Path) -> pa.Table:
    from deltalake import DeltaTable

    rows: Any = DeltaTable(str(folder)).to_pyarrow_table()
    return rows


def _iceberg(folder: Path) -> pa.Table:
    from pyiceberg.catalog.noop import NoopCatalog
    from pyiceberg.serializers import FromInputFile
    from pyiceberg.table import StaticTable

    from analysis.inputs.local_files import LocalFiles

    newest = str(max((folder / "metadata").glob("*.metadata.json"), key=_version))
    # StaticTable.from_metadata would let the table's metadata choose the class that reads its files.
    files = LocalFiles()
    metadata = FromInputFile.table_metadata(files.new_input(newest))
    table = StaticTable(("table",), metadata, newest, files, NoopCatalog("observed"))
    rows: Any = table.scan().to_arrow()
    return rows


def _version(path: Path) -> tuple[int, str]:
    """Return the sort key of a metadata file: the number in `v3.metadata.json` or `00003-...`."""
    number = path.name.removeprefix("v").split(".")[0].split("-")[0]
    return (int(number) if number.isdigit() else -1, path.name)
