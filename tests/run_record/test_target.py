"""Targets: hosts, ceilings and confirmation."""

from pathlib import Path

import pytest

from run_record.target import Ceilings, Target, TargetError

BASE = """
description = "d"
intake = "http://intake.example/v1/events"
mpic = "http://mpic.example"
hosts = ["intake.example", "mpic.example"]
"""
PRODUCTION = (
    BASE
    + """
production = true
tag = "experiment-dogfood"
networks = ["192.0.2.0/24", "2001:db8::/32"]
[ceilings]
rate = 5
events = 100
seconds = 60
"""
)


def target(folder: Path, text: str) -> Target:
    (folder / "mine.toml").write_text(text)
    return Target.read("mine", folder)


@pytest.mark.parametrize("name", ["local", "beta-example", "testwiki-example"])
def test_the_shipped_targets_can_be_read(name: str) -> None:
    text = Target.read(name)
    assert text.production == (name == "testwiki-example")
    if name != "local":
        assert text.tag
        assert text.ceilings.rate <= 20
        # Placeholders: names that resolve nowhere.
        assert all(host.endswith((".example", ".invalid")) for host in text.hosts)


def test_production_targets_are_confirmed_by_name(tmp_path: Path) -> None:
    result = target(tmp_path, PRODUCTION)
    assert result.confirmed("mine") == result
    with pytest.raises(TargetError, match=r"is production, and it was not confirmed: nothing was sent.*--confirm mine"):
        result.confirmed("")
    with pytest.raises(TargetError, match="not 'local'"):
        result.confirmed("local")
    assert target(tmp_path, BASE).confirmed("").name == "mine"


@pytest.mark.parametrize(
    ("cut", "says"),
    [
        ('tag = "experiment-dogfood"', "needs tag"),
        ('networks = ["192.0.2.0/24", "2001:db8::/32"]', "needs networks"),
        ("rate = 5", "needs ceilings.rate"),
        ("events = 100", "needs ceilings.events"),
        ("seconds = 60", "needs ceilings.seconds"),
    ],
)
def test_a_production_target_sets_every_limit(tmp_path: Path, cut: str, says: str) -> None:
    with pytest.raises(TargetError, match=says):
        target(tmp_path, PRODUCTION.replace(cut, ""))


@pytest.mark.parametrize(
    ("added", "says"),
    [
        ("production = 1", "production has to be true or false"),
        ('tag = "with space"', "tag has to be"),
        ('tag = "x\\r\\nHost: evil"', "tag has to be"),
        ('networks = "10.0.0.0/8"', "networks has to be a list"),
        ('networks = ["10.0.0.1/8"]', "networks: 10.0.0.1/8 has host bits set"),
        ("ceilings = 5", "ceilings is a table of rate, events, seconds"),
        ("[ceilings]\nspeed = 5", "ceilings is a table of rate, events, seconds"),
        ("[ceilings]\nrate = 0", "ceilings.rate has to be a number above 0"),
        ("[ceilings]\nrate = true", "ceilings.rate has to be a number above 0"),
        ("[ceilings]\nrate = inf", "ceilings.rate has to be a number above 0"),
    ],
)
def test_invalid_fields_are_named(tmp_path: Path, added: str, says: str) -> None:
    with pytest.raises(TargetError, match=says):
        target(tmp_path, BASE + added)


def test_dns_cannot_move_a_target(tmp_path: Path) -> None:
    result = target(tmp_path, PRODUCTION)
    where = {"intake.example": ["192.0.2.7", "2001:db8::7"], "mpic.example": ["192.0.2.8"]}
    assert result.egress(where.__getitem__).addresses == {"192.0.2.7", "192.0.2.8", "2001:db8::7"}
    where["mpic.example"].append("198.51.100.1")
    with pytest.raises(TargetError, match=r"mpic.example is at 198.51.100.1 now, outside its networks"):
        result.egress(where.__getitem__)


def test_the_local_target_stays_on_this_machine() -> None:
    local = Target.read("local")
    assert local.egress().addresses <= {"127.0.0.1", "::1"}
    with pytest.raises(TargetError, match="outside its networks"):
        local.egress(lambda _: ["203.0.113.5"])


def test_an_unresolvable_host_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=r"the host 'mpic.invalid' is not known"):
        target(tmp_path, BASE.replace("mpic.example", "mpic.invalid").replace("intake.example", "127.0.0.1")).egress()


@pytest.mark.parametrize("values", [{"rate": 5.1}, {"events": 101}, {"seconds": 61}])
def test_values_above_a_ceiling_are_refused(values: dict[str, float]) -> None:
    ceilings = Ceilings(rate=5, events=100, seconds=60)
    ceilings.check("mine", rate=5, events=100, seconds=60)
    with pytest.raises(TargetError, match=r"target 'mine' allows a .* nothing was sent"):
        ceilings.check("mine", **values)
    Ceilings().check("mine", **values)
