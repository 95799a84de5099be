"""Why the traffic of a run ended."""

from enum import StrEnum


class End(StrEnum):
    """The reason; see `stopped_early` for those that somebody or something asked for."""

    FINISHED = "finished"
    STOPPED = "stopped by user"
    TIME_LIMIT = "time limit"
    CEILING = "ceiling of the target"
    WORKER_LOST = "worker lost"
    LATE = "schedule not kept"
    FAILED = "generator failed"

    @property
    def stopped_early(self) -> bool:
        """Whether the traffic was ended on purpose before all of it had been offered."""
        return self in (End.STOPPED, End.TIME_LIMIT, End.CEILING, End.LATE)

    @property
    def is_fault(self) -> bool:
        """Whether the generator is at fault, so that the run is INVALID."""
        return self in (End.WORKER_LOST, End.LATE, End.FAILED)
