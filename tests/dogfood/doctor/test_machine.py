"""The machine, as it is and as it could be."""

import socket
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from dogfood.doctor.diagnosis import Condition
from dogfood.doctor.machine import disk, examine_testbed, packages, python
from dogfood.testbed_control.service_health import port_problem
from dogfood.testbed_control.services import Service, Testbed


def versions(known: dict[str, str]) -> Callable[[str], str]:
    def version_of(name: str) -> str:
        try:
            return known[name]
        except KeyError:
            raise PackageNotFoundError(name) from None

    return version_of


def test_an_old_python_is_told() -> None:
    assert python((3, 10, 2)).condition is Condition.MISSING
    assert python((3, 11, 0)).condition is Condition.FINE


def test_missing_and_old_required_packages_are_named() -> None:
    wanted = ("click", "rich>=13", "numpy<2", "locust[otel]; extra == 'otel'")
    result = packages(wanted, versions({"rich": "12.0", "numpy": "1.9"}))
    assert result.condition is Condition.MISSING
    assert result.summary == "missing or too old: click, rich"
    assert packages(wanted, versions({"click": "8", "rich": "14", "numpy": "1.9"})).condition is Condition.FINE


@pytest.mark.parametrize(("free", "condition"), [(2**30, Condition.MISSING), (2**33, Condition.FINE)])
def test_disk_space_is_checked_at_the_future_folder(tmp_path: Path, free: int, condition: Condition) -> None:
    looked: list[Path] = []

    def free_bytes(folder: Path) -> int:
        looked.append(folder)
        return free

    assert disk("runs", tmp_path / "not" / "there", free_bytes).condition is condition
    assert looked == [tmp_path.resolve()]


class OnPort(Testbed):
    """A testbed whose services' usual port is one that the test chose."""

    port = 0

    def services(self) -> tuple[Service, ...]:
        return (Service("intake", self.port, ()),)


def test_port_in_use_is_missing_free_port_unknown(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        OnPort.port = taken.getsockname()[1]
        (result,) = examine_testbed(OnPort(tmp_path))
        assert result.condition is Condition.MISSING
        assert "--intake-port" in result.remedy
    assert port_problem(OnPort.port) == ""
    (result,) = examine_testbed(OnPort(tmp_path))
    assert result.condition is Condition.UNKNOWN
