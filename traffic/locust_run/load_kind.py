"""What a kind of traffic does in the life of a run; `traffic.locust_run.controller` says when."""

from abc import ABC, abstractmethod
from argparse import Namespace
from pathlib import Path

from run_record.manifest import Manifest
from traffic.locust_run.leases import Lease, Leaser


class LoadKind(ABC):
    """A kind of traffic: how its runs are made, played and closed."""

    #: What the ledgers of this kind of traffic are called.
    worker_name = "worker"

    @abstractmethod
    def check(self, options: Namespace) -> None:
        """Refuse *options* that no run can be made of. Raises DogfoodError."""

    @abstractmethod
    def _make_run(self, options: Namespace, now_ms: int) -> Path:
        """Make the folder of a run that nobody has set up, with its manifest. Raises DogfoodError."""

    @abstractmethod
    def _leaser(self, folder: Path, manifest: Manifest) -> Leaser:
        """Return what lends the things there are to play."""

    @abstractmethod
    def _open(self, folder: Path, manifest: Manifest, worker: str, lease: Lease) -> None:
        """Make ready to play the run in *folder* as *worker*; *lease* lends what to play. Raises DogfoodError."""

    @abstractmethod
    def _close(self) -> None:
        """Let go of what `_open` made."""

    @abstractmethod
    def _wind_down(self) -> None:
        """Let this process send nothing more, and wait a moment for what is under way; users end by themselves."""

    def _record(self, folder: Path, manifest: Manifest) -> None:  # noqa: B027 (not every kind has something to say)
        """Complete the record of the whole run, when it is over. Raises OSError."""
