"""Access to the local files of an Iceberg table; the module needs pyiceberg."""

from urllib.parse import urlsplit

from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO

from analysis.inputs.errors import InputError


class LocalFiles(PyArrowFileIO):
    """File access that opens local files and refuses remote ones, so that nothing is fetched."""

    def new_input(self, location: str) -> PyArrowFile:
        """Return the file at *location*, a path or a `file:` address. Raises InputError for any other."""
        address = urlsplit(location)
        if address.scheme not in ("", "file"):
            raise InputError(
                f"the table's metadata names {location}, which is not on this machine; "
                "export the table as Parquet or NDJSON"
            )
        return super().new_input(location)
