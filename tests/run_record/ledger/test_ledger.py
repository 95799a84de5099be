import multiprocessing
import os
import signal
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.intake import EventAnswer, EventOutcome
from run_record.ledger.files import (
    LedgerError,
    LedgerWriter,
    Span,
    intent_row,
    intents_row,
    outcomes_row,
    read_ledger,
)
from run_record.ledger.rows import OUTCOMES, count_sent
from run_record.ledger.types import LedgerFormatError

OK = EventAnswer(EventOutcome.OK)
BAD = EventAnswer(EventOutcome.INVALID, "'.page.id' should be integer")


def test_all_events_are_read_back_in_order(tmp_path: Path) -> None:
    with LedgerWriter(tmp_path, "b") as one, LedgerWriter(tmp_path, "a") as other:
        first = one.intend([Span(4, 0, 2), Span(1, 3, 1)], intended_ms=1000, sent_ms=1001)
        second = other.intend([Span(4, 2, 1)], intended_ms=900, sent_ms=2000)
        other.answered(second, [OK], status=201, at_ms=2010)
        one.answered(first, [OK, BAD, OK], status=207, at_ms=1030)
    sent = read_ledger(tmp_path)
    assert list(zip(sent.visit.tolist(), sent.position.tolist(), strict=True)) == [(1, 3), (4, 0), (4, 1), (4, 2)]
    assert [OUTCOMES[code].value for code in sent.outcome] == ["ok", "ok", "invalid", "ok"]
    assert sent.sent_ms.tolist() == [1001, 1001, 1001, 2000]
    assert sent.answered_ms.tolist() == [1030, 1030, 1030, 2010]
    assert sent.status.tolist() == [207, 207, 207, 201]
    assert sent.workers == ("a", "b")
    assert sent.reasons == {(1, first): BAD.reason}
    assert sent.broken == ()


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(1, 40)), min_size=1, max_size=8),
    st.lists(st.lists(st.integers(0, 10_000), max_size=5), max_size=4),
    st.booleans(),
)
def test_shared_rows_equal_single_rows(sizes: list[tuple[int, int]], picks: list[list[int]], slowly: bool) -> None:
    several, single = [], []
    answered: set[int] = set()
    first = 0
    for size, requests in sizes:
        events = range(1000 * first, 1000 * first + size * requests)
        visits, positions = [event // 3 for event in events], [event % 3 for event in events]
        due = [5000 + first + index for index in range(requests)]
        several.append(intents_row(first, visits, positions, size=size, intended_ms=due, sent_ms=9000))
        for index in range(requests):
            own = slice(index * size, (index + 1) * size)
            spans = [Span(visit, position, 1) for visit, position in zip(visits[own], positions[own], strict=True)]
            single.append(intent_row(first + index, spans, intended_ms=due[index], sent_ms=9000))
        first += requests
    for pick in picks:
        numbers = sorted({number % first for number in pick} - answered)
        answered |= set(numbers)
        several.append(outcomes_row(numbers, EventOutcome.OK, status=201, at_ms=9100))
        single += [b'{"outcome":%d,"answered_ms":9100,"status":201,"answers":"ok"}\n' % number for number in numbers]
    # One row that is not plain makes its whole block be parsed row by row.
    words = ",".join(['"ok"'] * sizes[0][0]).encode()
    odd = (
        b'{"outcome":0,"answered_ms":1,"status":201,"answers":[%b]}\n' % words if slowly and 0 not in answered else b""
    )
    read = []
    for rows in (several, single):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "w.ndjson").write_bytes(b"".join(rows) + odd)
            read.append(read_ledger(Path(folder)))
    for one, other in zip(*(item[:9] for item in read), strict=True):
        assert one.tolist() == other.tolist()
    assert read[0].broken == read[1].broken == ()
    assert len(read[0].visit) == sum(size * requests for size, requests in sizes)


@pytest.mark.parametrize(
    "row",
    [
        b'{"intents":0,"visits":[1,2],"positions":[0],"size":1,"intended":[5,5],"sent_ms":6}',
        b'{"intents":0,"visits":[1],"size":1,"intended":[5],"sent_ms":6}',
        b'{"outcomes":[0,1],"status":201,"answers":"ok"}',
    ],
)
def test_inconsistent_shared_rows_are_refused(tmp_path: Path, row: bytes) -> None:
    (tmp_path / "w.ndjson").write_bytes(row + b"\n")
    with pytest.raises(LedgerFormatError, match=r"w\.ndjson, line 1"):
        read_ledger(tmp_path)


def test_an_intent_without_outcome_is_indeterminate(tmp_path: Path) -> None:
    with LedgerWriter(tmp_path, "w") as writer:
        writer.intend([Span(0, 0, 1)], intended_ms=1, sent_ms=2)
    sent = read_ledger(tmp_path)
    assert OUTCOMES[sent.outcome[0]] is EventOutcome.INDETERMINATE
    assert (sent.answered_ms[0], sent.status[0]) == (-1, 0)


def test_incomplete_rows_are_skipped_and_listed(tmp_path: Path) -> None:
    with LedgerWriter(tmp_path, "w") as writer:
        writer.intend([Span(0, 0, 1)], intended_ms=1, sent_ms=2)
    with (tmp_path / "w.ndjson").open("ab") as file:
        file.write(b'not a row\n{"intent":1,"events":[[1,0,1]],"intended_ms":1,"sent_ms":2}')
    sent = read_ledger(tmp_path)
    assert len(sent.visit) == 1
    assert sent.broken == (("w.ndjson", 2), ("w.ndjson", 3))


def test_an_empty_ledger_has_no_events(tmp_path: Path) -> None:
    assert len(read_ledger(tmp_path).visit) == 0


def test_an_existing_ledger_is_not_continued(tmp_path: Path) -> None:
    LedgerWriter(tmp_path, "w").close()
    with pytest.raises(LedgerError, match="cannot be created"):
        LedgerWriter(tmp_path, "w")


def test_a_full_disk_raises_ledger_error() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    writer = LedgerWriter.__new__(LedgerWriter)
    writer._path, writer._file, writer._requests = full, os.open(full, os.O_WRONLY), 0
    with pytest.raises(LedgerError, match="No space left"):
        writer.intend([Span(0, 0, 1)], intended_ms=1, sent_ms=2)
    writer.close()


def _write_for_ever(folder: Path) -> None:
    writer = LedgerWriter(folder, "w")
    while True:
        request = writer.intend([Span(writer._requests, 0, 1)], intended_ms=1, sent_ms=2)
        writer.answered(request, [OK], status=201, at_ms=3)


def test_a_killed_worker_loses_at_most_one_outcome(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_write_for_ever, args=(tmp_path,))
    process.start()
    path = tmp_path / "w.ndjson"
    while not path.exists() or path.stat().st_size < 100_000:
        time.sleep(0.01)
    assert process.pid
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    sent = read_ledger(tmp_path)
    assert sent.visit.tolist() == list(range(len(sent.visit)))
    assert len(sent.broken) <= 1
    open_requests = [code for code in sent.outcome if OUTCOMES[code] is EventOutcome.INDETERMINATE]
    assert len(open_requests) <= 1


def test_count_sent_skips_incomplete_rows(tmp_path: Path) -> None:
    rows = [
        intents_row(0, [1, 2, 3, 4], [0, 0, 0, 0], size=2, intended_ms=[5, 6], sent_ms=7),
        intent_row(2, [Span(5, 0, 3)], intended_ms=8, sent_ms=9),
        outcomes_row([0, 1], EventOutcome.OK, status=201, at_ms=10),
        intents_row(3, [6], [0], size=1, intended_ms=[11], sent_ms=12)[:-4],
    ]
    (tmp_path / "w.ndjson").write_bytes(b"".join(rows))
    assert count_sent(tmp_path / "w.ndjson") == len(read_ledger(tmp_path).visit) == 7
