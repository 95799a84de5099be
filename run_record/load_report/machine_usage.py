"""How busy the machine was during a run, and how much of that was the run's own: part of `load.json`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

#: With more processes to run than this for each core, what the run does waits for its turn.
BUSY_A_CORE = 1.5

#: With more than this share of the CPU time taken by the hypervisor for others, likewise.
MAX_STEAL = 0.10


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine during a run.

    Attributes:
        cores: that the run may use.
        load_mean: load average over one minute (processes that run or wait to), mean of the samples.
        load_max: the largest of the samples.
        steal: share of the CPU time that the hypervisor gave to other machines, 0 to 1.
        used: cores in use on average, by all processes.
        parts: cores that each part of the run used on average: `locust`, `sender`, `browsers`, `services`, `dogfood`,
            `analysis`; a part that did not run is missing.
    """

    cores: int
    load_mean: float
    load_max: float
    steal: float
    used: float
    parts: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_short(self) -> bool:
        """Whether the machine had more to do, or less to give, than a run can be measured under."""
        return self.load_max > BUSY_A_CORE * self.cores or self.steal > MAX_STEAL

    @property
    def told(self) -> str:
        """The machine in a few words: `load 25 on 2 cores`."""
        cores = f"{self.cores} core{'s' if self.cores != 1 else ''}"
        steal = f", {self.steal:.0%} of the CPU taken by other machines" if self.steal > MAX_STEAL else ""
        return f"load {self.load_max:.3g} on {cores}{steal}"


def advice(machine: Machine | None, busiest_cpu: float, workers_needed: int | None) -> str:
    """Return who was short when a generator did not keep its schedule, and what to do.

    Args:
        machine: it ran on; None when nobody looked.
        busiest_cpu: share of one core that its busiest worker used.
        workers_needed: how many workers there should have been; None when their number is not the reason.
    """
    own = f"the busiest worker used {busiest_cpu:.0%} of a core"
    if workers_needed is not None:
        return f"{own}; use {workers_needed} workers"
    if machine is not None and machine.is_short:
        return f"{machine.told}; use a quieter machine"
    where = f", {machine.told}" if machine is not None else ""
    return f"{own}{where}; run again, or lower the rate"


def busy_warning(machine: Machine) -> str:
    """Return what to know before a run is begun on *machine*; empty when it has time."""
    if not machine.is_short:
        return ""
    return f"{machine.told}: a run may end INVALID, as its schedule cannot be kept; use a quieter machine, or wait"
