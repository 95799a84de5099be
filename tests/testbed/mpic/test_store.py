"""The store of configs: history, stale updates, other programs' files, and kills."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from testbed.mpic.configs import Config, validate
from testbed.mpic.experiment_form import read_json
from testbed.mpic.fields import Kind
from testbed.mpic.store import NotFoundError, SlugTakenError, StaleError, Store, StoreError
from tests.testbed.mpic.conftest import config


def valid_config(slug: str = "one", **changes: object) -> Config:
    draft, unreadable = read_json(Kind.EXPERIMENT, slug, config("alpha", slug=slug, **changes))
    return validate(draft, unreadable)


def test_every_change_is_kept(store: Store) -> None:
    store.create(valid_config(), "Ada")
    store.update(valid_config(purpose="KR 1"), "Grace", version=1)
    record = store.switch(Kind.EXPERIMENT, "one", False, "Joan")
    changes = store.history(record)
    assert [(change.version, change.who) for change in changes] == [(3, "Joan"), (2, "Grace"), (1, "Ada")]
    assert changes[-1].before is None
    assert [change.before for change in changes[:-1]] == [change.after for change in changes[1:]]
    assert (changes[1].after["purpose"], changes[0].after["status"]) == ("KR 1", 0)
    assert changes[0].at == record.updated_at > changes[1].at > record.created_at == changes[2].at


def test_without_a_difference_nothing_is_written(store: Store) -> None:
    first = store.create(valid_config(), "Ada")
    assert store.put(valid_config(), "Grace") == (first, False)
    assert store.update(valid_config(), "Grace", version=1) == first
    assert store.switch(Kind.EXPERIMENT, "one", True, "Grace") == first
    assert len(store.history(first)) == 1


def test_a_stale_update_reports_the_missed_changes(store: Store) -> None:
    store.create(valid_config(), "Ada")
    store.update(valid_config(purpose="KR 1"), "Grace", version=1)
    store.update(valid_config(purpose="KR 1", owner="Web"), "Joan", version=2)
    with pytest.raises(StaleError) as caught:
        store.update(valid_config(purpose="KR 9"), "Ada", version=1)
    unseen = caught.value.unseen
    assert (unseen.version, unseen.who) == (3, "Joan")
    assert unseen.before == valid_config().to_json()
    assert unseen.after == valid_config(purpose="KR 1", owner="Web").to_json()
    assert store.find(Kind.EXPERIMENT, "one").config == valid_config(purpose="KR 1", owner="Web")
    with pytest.raises(StaleError):
        store.update(valid_config(purpose="KR 9"), "Ada", version=99)


def test_slugs_are_unique_within_a_kind(store: Store) -> None:
    store.create(valid_config(), "Ada")
    with pytest.raises(SlugTakenError):
        store.create(valid_config(owner="Web"), "Grace")
    draft, unreadable = read_json(Kind.INSTRUMENT, "one", config("instrument", slug="one"))
    store.create(validate(draft, unreadable), "Grace")
    assert [record.config.slug for record in store.list(Kind.INSTRUMENT)] == ["one"]


def test_an_unknown_config_cannot_be_changed(store: Store) -> None:
    with pytest.raises(NotFoundError):
        store.update(valid_config(), "Ada", version=1)
    with pytest.raises(NotFoundError):
        store.switch(Kind.EXPERIMENT, "one", True, "Ada")


def test_configs_survive_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "mpic.sqlite"
    store = Store(path)
    secret, record = store.secret(), store.create(valid_config(), "Ada")
    store.close()
    again = Store(path)
    assert (again.secret(), again.list(Kind.EXPERIMENT)) == (secret, (record,))
    again.close()


def test_other_files_are_rejected_and_not_changed(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database at all, but long enough to be looked at as one" * 20)
    foreign = tmp_path / "foreign.sqlite"
    with sqlite3.connect(foreign) as other:
        other.execute("CREATE TABLE configs (id INTEGER)")
    other.close()
    before = foreign.read_bytes()
    later = tmp_path / "later.sqlite"
    Store(later).close()
    with sqlite3.connect(later) as other:
        other.execute("PRAGMA user_version = 2")
    other.close()
    for path in (text, foreign, later, tmp_path, tmp_path / "absent" / "mpic.sqlite"):
        with pytest.raises(StoreError, match=path.name) as caught:
            Store(path)
        assert caught.value.exit_code == 2
        assert "\n" not in str(caught.value)
    assert text.read_text().startswith("not a database")
    assert foreign.read_bytes() == before
    assert not list(tmp_path.glob("foreign.sqlite-*"))


_WRITER = """
import json, sys
from pathlib import Path
from testbed.mpic.configs import Config
from testbed.mpic.fields import Kind
from testbed.mpic.store import Store
store = Store(Path(sys.argv[1]))
content = json.loads(sys.argv[2])
for number in range(1_000_000):
    store.put(Config.from_json(Kind.EXPERIMENT, content | {"slug": f"one-{number % 7}", "purpose": str(number)}), "Ada")
    print(number, flush=True)
"""


@pytest.mark.parametrize("delay_s", [0.01, 0.03, 0.07])
def test_acknowledged_writes_survive_a_kill(tmp_path: Path, delay_s: float) -> None:
    path = tmp_path / "mpic.sqlite"
    command = [sys.executable, "-c", _WRITER, str(path), json.dumps(valid_config().to_json())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        # The delay starts at the first write; the write that the kill interrupts is random.
        acknowledged = [writer.stdout.readline()]
        time.sleep(delay_s)
        os.kill(writer.pid, signal.SIGKILL)
        acknowledged += writer.stdout.readlines()
    last = max(int(line) for line in acknowledged if line.endswith("\n"))
    store = Store(path)
    records = store.list(Kind.EXPERIMENT)
    written = {int(str(change.after["purpose"])) for record in records for change in store.history(record)}
    assert set(range(last + 1)) <= written <= set(range(last + 2))
    for record in records:
        assert store.history(record)[0].after == record.config.to_json()
    store.close()
