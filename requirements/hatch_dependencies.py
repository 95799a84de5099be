"""Reads the run-time dependencies from the `.in` files beside it, so that they are named in one place."""

from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

#: What is installed when asked for, as in `pip install '.[kafka]'`; each has its file.
EXTRAS = ("kafka", "lakes", "otel", "spark", "trino")


class DependenciesHook(MetadataHookInterface):
    """Fills the `dependencies` and the `optional-dependencies` of the project's metadata."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Put the packages of base.in, and those of each extra, into *metadata*."""
        metadata["dependencies"] = self._packages("base")
        metadata["optional-dependencies"] = {name: self._packages(name) for name in EXTRAS}

    def _packages(self, name: str) -> list[str]:
        """Return the packages of a file, one a line."""
        lines = (Path(self.root) / "requirements" / f"{name}.in").read_text(encoding="utf-8").splitlines()
        return [line for line in lines if line and not line.startswith("#")]
