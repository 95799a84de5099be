"""Files of an Iceberg table on this machine only. Imported only where pyiceberg is installed."""

from urllib.parse import urlsplit

from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO

from analysis.inputs.errors import InputError


class LocalFiles(PyArrowFileIO):
    """Opens the files that a table's metadata names, and refuses those elsewhere: nothing is fetched."""

    def new_input(self, location: str) -> PyArrowFile:
        """Return the file at *location*, a path or a `file:` address. Raises InputError for any other."""
        where = urlsplit(location)
        if where.scheme not in ("", "file"):
            raise InputError(
                f"the table's metadata names {location}, which is not on this machine; "
                "export the table as Parquet or NDJSON"
            )
        return super().new_input(location)
