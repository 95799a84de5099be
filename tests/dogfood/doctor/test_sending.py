"""What the doctor sends: to pinned addresses only, with the tag, and to production only when it is confirmed."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from common.egress import EgressError
from contracts.generation import Generation
from dogfood.cli import cli
from dogfood.doctor.log_in import examine_log_in
from dogfood.doctor.systems import RunNeeds, examine_systems
from personas.example_experiment import EXPERIMENT
from run_record.accounts import TestAccount, write_accounts
from run_record.target import Target, TargetError
from tests.common.echo import Moving, Server, serving, two_hosts

ACCOUNT = TestAccount("Dogfood-01", "correct horse", 17, 1017, 0)
NEEDS = RunNeeds(Generation.ALPHA, EXPERIMENT, EXPERIMENT, "testwiki", datetime(2026, 1, 31, tzinfo=UTC), True)


def named(port: int) -> Target:
    """Return a target on names that only a resolver of the test knows."""
    base = f"http://systems.example:{port}"
    return replace(
        Target.read("local"), name="mine", intake=f"{base}/v1/events", mpic=base, wiki=base, hosts=("systems.example",),
        tag="my-tag",
    )  # fmt: skip


def test_a_moved_name_gets_neither_event_nor_password() -> None:
    with two_hosts() as (first, second):
        target = named(first.server_port)
        egress = target.egress(Moving("127.0.0.2", "127.0.0.3"))
        examine_systems(target, NEEDS, egress)
        list(examine_log_in(ACCOUNT, target, egress))
        assert second.requests == []
        assert "POST" in {item.method for item in first.requests}
        assert all(item.headers["user-agent"].endswith(" my-tag") for item in first.requests)


def test_a_name_outside_the_networks_gets_nothing() -> None:
    with two_hosts() as (first, second):
        target = replace(named(first.server_port), networks=Target.read("local").networks[:1])
        with pytest.raises(TargetError, match="outside its networks"):
            target.egress(lambda _: ["192.0.2.1"])
        assert (first.requests, second.requests) == ([], [])


def test_the_policy_refuses_what_nobody_confirmed() -> None:
    with serving("127.0.0.2") as server:
        target = replace(named(server.server_port), production=True)
        egress = target.egress(Moving("127.0.0.2"), confirm="")
        with pytest.raises(EgressError, match="--confirm mine"):
            examine_systems(target, NEEDS, egress)
        assert {item.method for item in server.requests} <= {"GET", "OPTIONS"}


def write_target(folder: Path, server: Server) -> Path:
    path = folder / "prod.toml"
    path.write_text(
        f'description = "d"\nintake = "{server.url}/v1/events"\nmpic = "{server.url}"\nwiki = "{server.url}"\n'
        'hosts = ["127.0.0.1"]\nnetworks = ["127.0.0.0/8"]\nproduction = true\ntag = "my-tag"\n'
        "[ceilings]\nrate = 5\nevents = 10\nseconds = 60\n"
    )
    return path


def doctor(folder: Path, server: Server, *options: str) -> Result:
    write_accounts(folder / "accounts.ndjson", [ACCOUNT])
    words = ["doctor", "--target", str(write_target(folder, server)), "--testbed", str(folder / "testbed"),
             "--runs", str(folder / "runs"), "--accounts", str(folder / "accounts.ndjson"), *options]  # fmt: skip
    return CliRunner().invoke(cli, words, env={"DOGFOOD_STATE": str(folder / "state")})


@pytest.mark.parametrize(
    "options",
    [
        ("--send-canary",),
        ("--account", ACCOUNT.name),
        ("--send-canary", "--account", ACCOUNT.name, "--confirm", "other"),
    ],
)
def test_production_gets_nothing_without_confirmation(tmp_path: Path, options: tuple[str, ...]) -> None:
    with serving() as server:
        result = doctor(tmp_path, server, *options)
        assert isinstance(result.exception, TargetError)
        assert "--confirm prod" in str(result.exception)
        assert server.requests == []


def test_production_is_read_without_confirmation(tmp_path: Path) -> None:
    with serving() as server:
        doctor(tmp_path, server)
        assert {item.method for item in server.requests} == {"GET", "OPTIONS"}


def test_confirmed_events_and_passwords_carry_the_tag(tmp_path: Path) -> None:
    with serving() as server:
        doctor(tmp_path, server, "--send-canary", "--account", ACCOUNT.name, "--confirm", "prod")
        sent = [item for item in server.requests if item.method == "POST"]
        assert [item.path for item in sent] == ["/v1/events", "/api.php"]
        assert all(item.headers["user-agent"].endswith(" my-tag") for item in server.requests)
