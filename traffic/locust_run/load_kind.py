"""The steps of a run that depend on its kind of load; `traffic.locust_run.controller` calls them."""

from abc import ABC, abstractmethod
from argparse import Namespace
from pathlib import Path

from run_record.manifest import Manifest
from traffic.locust_run.leases import Lease, Leaser


class LoadKind(ABC):
    """A kind of load: how its runs are created, opened and closed."""

    #: Prefix of this kind's ledger names.
    worker_name = "worker"

    @abstractmethod
    def check(self, options: Namespace) -> None:
        """Check that *options* allow a run. Raises DogfoodError."""

    @abstractmethod
    def _make_run(self, options: Namespace, now_ms: int) -> Path:
        """Create a new run's folder and manifest. Raises DogfoodError."""

    @abstractmethod
    def _make_leaser(self, folder: Path, manifest: Manifest) -> Leaser:
        """Return the leaser of the run's visits or accounts."""

    @abstractmethod
    def _open(self, folder: Path, manifest: Manifest, worker: str, lease: Lease) -> None:
        """Open the run in *folder* as *worker*; *lease* returns the next range to send. Raises DogfoodError."""

    @abstractmethod
    def _close(self) -> None:
        """Release the resources of `_open`."""

    @abstractmethod
    def _wind_down(self) -> None:
        """Stop sending, and wait briefly for requests in flight. Users end on their own."""

    def _record(self, folder: Path, manifest: Manifest) -> None:  # noqa: B027 (optional)
        """Complete the run's record at its end. Raises OSError."""
