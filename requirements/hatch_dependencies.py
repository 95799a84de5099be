"""Reads the run-time dependencies from base.in, so that they are named in one place."""

from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class DependenciesHook(MetadataHookInterface):
    """Fills the `dependencies` of the project's metadata."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Put the packages of base.in, one a line, into *metadata*."""
        lines = (Path(self.root) / "requirements" / "base.in").read_text(encoding="utf-8").splitlines()
        metadata["dependencies"] = [line for line in lines if line and not line.startswith("#")]
