"""The usage of the machine during a run, in total and by parts of the run: part of `load.json`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

#: Load average per core above which the run has to wait for CPU time.
MAX_LOAD_PER_CORE = 1.5

#: Share of CPU time stolen by the hypervisor above which the run has to wait too.
MAX_STEAL = 0.10


@dataclass(frozen=True, slots=True)
class Machine:
    """The usage of the machine during a run.

    Attributes:
        cores: number of cores that the run may use.
        load_mean: one-minute load average (processes that run or wait), mean of samples.
        load_max: largest of the samples.
        steal: share of CPU time that the hypervisor gave to other machines, 0 to 1.
        used: average number of cores used by all processes.
        parts: average number of cores used by each part: `locust`, `sender`, `browsers`, `services`, `dogfood`,
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
        """Whether the machine was too busy for valid measurements."""
        return self.load_max > MAX_LOAD_PER_CORE * self.cores or self.steal > MAX_STEAL

    @property
    def summary(self) -> str:
        """The usage in a few words, such as `load 25 on 2 cores`."""
        cores = f"{self.cores} core{'s' if self.cores != 1 else ''}"
        steal = f", {self.steal:.0%} of the CPU taken by other machines" if self.steal > MAX_STEAL else ""
        return f"load {self.load_max:.3g} on {cores}{steal}"


def advice(machine: Machine | None, busiest_cpu: float, workers_needed: int | None) -> str:
    """Return why a generator did not keep its schedule, and the remedy.

    Args:
        machine: usage of its machine; None when it was not measured.
        busiest_cpu: share of one core that its busiest worker used.
        workers_needed: sufficient number of workers; None when their number is not the reason.
    """
    worker = f"the busiest worker used {busiest_cpu:.0%} of a core"
    if workers_needed is not None:
        return f"{worker}; use {workers_needed} workers"
    if machine is not None and machine.is_short:
        return f"{machine.summary}; use a quieter machine"
    where = f", {machine.summary}" if machine is not None else ""
    return f"{worker}{where}; run again, or lower the rate"


def busy_warning(machine: Machine) -> str:
    """Return a warning before a run on a busy *machine*; empty for an idle one."""
    if not machine.is_short:
        return ""
    return f"{machine.summary}: a run may end INVALID, as its schedule cannot be kept; use a quieter machine, or wait"
