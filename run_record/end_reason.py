"""Reasons for the end of a run's traffic."""

from enum import StrEnum


class End(StrEnum):
    """The reason for the end of a run's traffic."""

    FINISHED = "finished"
    STOPPED = "stopped by user"
    TIME_LIMIT = "time limit"
    CEILING = "ceiling of the target"
    WORKER_LOST = "worker lost"
    LATE = "schedule not kept"
    FAILED = "generator failed"

    @property
    def stopped_early(self) -> bool:
        """Whether the traffic was stopped on purpose before its end."""
        return self in (End.STOPPED, End.TIME_LIMIT, End.CEILING, End.LATE)

    @property
    def is_fault(self) -> bool:
        """Whether the generator is at fault, so that the run is INVALID."""
        return self in (End.WORKER_LOST, End.LATE, End.FAILED)
