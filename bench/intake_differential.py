"""Compares the responses of two intakes: `python -m bench.intake_differential URL URL --bodies 2000 --seed 1`.

Sends the same random bodies to both and compares their verdicts on every event: accepted, invalid or error. It is for
the testbed's intake and a real EventGate on this machine, with the same schemas and streams. With `--written` (for
each intake a file of events, or a folder of a stream's segments) it also compares events with a 202. Prints every body
with different verdicts, and the share of events with equal ones. Exits with 1 when that share is under 99.9 %.

Deep nesting is not compared: the real service responds `invalid`, or crashes, where the testbed responds `error`.
"""

import argparse
import ipaddress
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx

from bench.random_bodies import Body, bodies

SAME_SHARE = 0.999

#: Seconds within which an intake must have written the events that got a 202.
_WRITTEN_WITHIN_S = 30.0

#: Verdicts on a request's events: counts by verdict and event id; the id is empty for events without one.
Verdicts = Counter[tuple[str, str]]


class Compared(NamedTuple):
    """Responses of both intakes to one body."""

    number: int
    body: Body
    first: "Response"
    second: "Response"

    @property
    def events(self) -> int:
        """Number of events with a verdict."""
        return max(self.first.verdicts.total(), self.second.verdicts.total())

    @property
    def different(self) -> int:
        """Number of events with different verdicts."""
        one, other = self.first.verdicts, self.second.verdicts
        return max((one - other).total(), (other - one).total())


class Response(NamedTuple):
    """Response of an intake: status with reason phrase, and the verdict on each event."""

    status: str
    verdicts: Verdicts


def send(client: httpx.Client, url: str, body: Body) -> Response:
    """Return the response of the intake at *url* to *body*."""
    address = f"{url}?{body.query}" if body.query else url
    try:
        answer = client.post(address, content=body.content, headers=dict(body.headers))
    except httpx.HTTPError as error:
        return Response(f"no answer: {type(error).__name__}", Counter({("no answer", ""): 1}))
    status = f"{answer.status_code} {answer.reason_phrase}"
    return Response(status, _verdicts(answer, body))


def _verdicts(answer: httpx.Response, body: Body) -> Verdicts:
    count = _count(answer.reason_phrase)
    if answer.status_code == 202 or count is None:
        # The response has no verdicts on single events: the body as a whole has one.
        return Counter({(str(answer.status_code), _title(answer)): 1})
    content: dict[str, Any] = json.loads(answer.content) if answer.content else {}
    failed: Verdicts = Counter()
    for kind in ("invalid", "error"):
        for failure in content.get(kind, ()):
            failed[kind, _id(failure["event"], body.marks)] += 1
    accepted = [mark for mark in body.marks if not any(name == mark for _, name in failed)]
    unidentified = count - failed.total() - len(accepted)
    return failed + Counter([("ok", mark) for mark in accepted]) + Counter({("ok", ""): max(unidentified, 0)})


def _count(reason: str) -> int | None:
    words = reason.split()
    index = next((number for number, word in enumerate(words) if word == "of"), None)
    return int(words[index + 1]) if index and words[index - 1] == "out" else None


def _title(answer: httpx.Response) -> str:
    try:
        problem = json.loads(answer.content)
    except ValueError:
        return answer.reason_phrase if answer.status_code != 500 else answer.text[:80]
    return str(problem.get("title", "")) if isinstance(problem, dict) else ""


def _id(event: object, marks: Sequence[str]) -> str:
    meta = event.get("meta") if isinstance(event, dict) else None
    mark = meta.get("id") if isinstance(meta, dict) else None
    return str(mark) if mark in marks else ""


def compare(urls: Sequence[str], count: int, seed: int) -> Iterator[Compared]:
    """Send *count* bodies of *seed* to both *urls* and yield the responses."""
    with httpx.Client(timeout=60, trust_env=False, follow_redirects=False) as client:
        client.headers.clear()
        for number, body in enumerate(islice(bodies(seed), count)):
            yield Compared(number, body, send(client, urls[0], body), send(client, urls[1], body))


def written(source: Path) -> set[str]:
    """Return the ids of the events in a file, or in all files of a folder."""
    files = (
        [path for path in sorted(source.rglob("*.ndjson")) if "error" not in str(path)] if source.is_dir() else [source]
    )
    return {str(json.loads(line)["meta"]["id"]) for path in files for line in path.read_bytes().splitlines()}


def _differently_written(compared: Sequence[Compared], sources: Sequence[Path]) -> set[str]:
    """Return the ids of hasty events that only one intake has written within the time limit."""
    hasty = {mark for item in compared if item.first.status.startswith("202") for mark in item.body.marks}
    deadline = time.monotonic() + _WRITTEN_WITHIN_S
    while True:
        different = (written(sources[0]) ^ written(sources[1])) & hasty
        if not different or time.monotonic() > deadline:
            return different
        time.sleep(0.5)


def main() -> None:
    """Compare, and print the differences."""
    parser = argparse.ArgumentParser(prog="python -m bench.intake_differential", description=__doc__)
    parser.add_argument("urls", nargs=2, metavar="URL", help="URL of an intake on this machine")
    parser.add_argument("--bodies", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--written", type=Path, nargs=2, metavar="PATH", help="file or folder with each intake's accepted events"
    )
    options = parser.parse_args()
    for url in options.urls:
        if not ipaddress.ip_address(urlsplit(url).hostname or "").is_loopback:
            parser.error(f"{url} is not on this machine; use 127.0.0.1")
    compared = list(compare(options.urls, options.bodies, options.seed))
    for item in compared:
        if item.different or item.first.status != item.second.status:
            _print_difference(item)
    unmatched = _differently_written(compared, options.written) if options.written else set()
    for mark in sorted(unmatched):
        print(f"written by only one intake: {mark}")
    events = sum(item.events for item in compared)
    different = sum(item.different for item in compared) + len(unmatched)
    print(f"{events - different:,} of {events:,} events of {len(compared):,} bodies have the same verdict "
          f"({1 - different / max(events, 1):.2%}; target {SAME_SHARE:.1%})")  # fmt: skip
    sys.exit(different > events * (1 - SAME_SHARE))


def _print_difference(item: Compared) -> None:
    headers = {name: value for name, value in item.body.headers.items() if name != "user-agent"}
    print(f"body {item.number}: {item.different} of {item.events} events; ?{item.body.query} {headers}")
    print(f"  {item.body.content[:600]!r}")
    only = (item.first.verdicts - item.second.verdicts, item.second.verdicts - item.first.verdicts)
    for response, verdicts in zip((item.first, item.second), only, strict=True):
        print(f"  {response.status}: {dict(verdicts)}")


if __name__ == "__main__":
    main()
