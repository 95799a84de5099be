"""Build hook: reads the run-time dependencies from the `.in` files in this folder."""

from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

#: Optional dependencies, as in `pip install '.[kafka]'`; each has a file.
EXTRAS = ("kafka", "lakes", "otel", "spark", "trino")


class DependenciesHook(MetadataHookInterface):
    """Sets the `dependencies` and the `optional-dependencies` of the project's metadata."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the packages of base.in and of each extra to *metadata*."""
        metadata["dependencies"] = self._packages("base")
        metadata["optional-dependencies"] = {name: self._packages(name) for name in EXTRAS}

    def _packages(self, name: str) -> list[str]:
        """Return the packages in a file."""
        lines = (Path(self.root) / "requirements" / f"{name}.in").read_text(encoding="utf-8").splitlines()
        return [line for line in lines if line and not line.startswith("#")]
