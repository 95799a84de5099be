"""A Phabricator for tests: the few Conduit methods the kit calls, with their encoding, errors and quirks."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

TOKEN = "api-0123456789abcdefghijklmnopqr"
PROJECTS = {"contracts": "PHID-PROJ-1", "metricsplatform": "PHID-PROJ-1", "epic": "PHID-PROJ-2"}
#: When it is, unless said otherwise.
NOW_S = 1_740_000_000
_EDGES = {"parents.add", "subtasks.add"}
_TRANSACTIONS = {"title", "description", "priority", "projects.add", *_EDGES}


class ApiError(Exception):
    """An answer with an error code."""


class Hangup(Exception):  # noqa: N818 – not an error of the service
    """The connection breaks before anything is answered."""


def php_form(body: str) -> dict[str, Any]:
    """Return what PHP makes of a form: `a[b][0]=c` becomes nested dictionaries with string keys."""
    by_name: dict[str, Any] = {}
    for name, value in parse_qsl(body, keep_blank_values=True, strict_parsing=True):
        head, *inner = re.findall(r"^[^\[]+|(?<=\[)[^\]]*(?=\])", name)
        position, last = by_name, head
        for key in inner:
            position, last = position.setdefault(last, {}), key
        position[last] = value
    return by_name


@dataclass
class Phabricator:
    """What the service knows, and how it misbehaves.

    Attributes:
        tasks: in the order in which they were made; the first is T1.
        subtasks: edges, by PHID.
        calls: every method called, with its parameters less the token.
        indexed: how many of the tasks the full-text search finds.
        fail_at: the how-manieth creation fails, counted from 0.
        failure: how it fails: an error, a hangup before, or a hangup after the task was made.
        raw: instead of an answer: status, headers, body.
        created: how often a creation was asked for.
        now_s: the service's clock, in seconds since 1970.
    """

    tasks: list[dict[str, Any]] = field(default_factory=list)
    subtasks: dict[str, set[str]] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    priorities: list[dict[str, Any]] = field(
        default_factory=lambda: [
            {"name": "Unbreak Now!", "keywords": ["unbreak"], "value": 100},
            {"name": "High", "keywords": ["high"], "value": 80},
            {"name": "Medium", "keywords": ["medium"], "value": 50},
            {"name": "Low", "keywords": ["low"], "value": 25},
            {"name": "Wishlist", "keywords": ["wish", "wishlist"], "value": 0},
        ]
    )
    projects: dict[str, str] = field(default_factory=lambda: dict(PROJECTS))
    indexed: int = 0
    page: int = 100
    fail_at: int | None = None
    failure: str = "error"
    raw: tuple[int, dict[str, str], bytes] | None = None
    created: int = 0
    now_s: int = NOW_S

    def count_calls(self, method: str) -> int:
        """Return how often *method* was called."""
        return sum(name == method for name, _ in self.calls)

    def descriptions(self) -> list[str]:
        """Return the descriptions of all tasks."""
        return [task["fields"]["description"]["raw"] for task in self.tasks]

    def add(self, title: str, description: str, *, age_s: int = 0, status: str = "open") -> dict[str, Any]:
        """Add a task of another author."""
        number = len(self.tasks) + 1
        fields = {
            "name": title,
            "description": {"raw": description},
            "status": {"value": status},
            "dateCreated": self.now_s - age_s,
        }
        task = {"id": number, "type": "TASK", "phid": f"PHID-TASK-{number}", "fields": fields, "attachments": {}}
        self.tasks.append(task)
        return task

    def answer(self, method: str, form: dict[str, Any]) -> dict[str, Any]:
        """Return the result of *method*. Raises ApiError or Hangup."""
        token = form.pop("api.token", "")
        self.calls.append((method, form))
        if token != TOKEN:
            raise ApiError("ERR-INVALID-AUTH", f'API token "{token}" is not valid.')
        methods = {
            "project.search": self._projects,
            "maniphest.priority.search": lambda _: {"data": self.priorities},
            "maniphest.search": self._search,
            "maniphest.edit": self._edit,
        }
        if method not in methods:
            raise ApiError("ERR-CONDUIT-CALL", f"Conduit method '{method}' does not exist.")
        return methods[method](form)

    def _projects(self, form: dict[str, Any]) -> dict[str, Any]:
        requested = form["constraints"]["slugs"].values()
        known = {
            slug: {"slug": slug, "projectPHID": self.projects[slug]} for slug in requested if slug in self.projects
        }
        # PHP writes an empty map as [].
        return {"data": [], "maps": {"slugMap": known or []}, "cursor": {"after": None}}

    def _search(self, form: dict[str, Any]) -> dict[str, Any]:
        constraints = form["constraints"]
        result = self.tasks
        if "query" in constraints:
            words = constraints["query"].strip('"')
            result = [task for task in result[: self.indexed] if words in task["fields"]["description"]["raw"]]
        if "createdStart" in constraints:
            result = [task for task in result if task["fields"]["dateCreated"] >= int(constraints["createdStart"])]
        result = sorted(result, key=lambda task: -task["id"])
        rest = [task for task in result if task["id"] < int(form.get("after", len(self.tasks) + 1))]
        size = min(self.page, int(form["limit"]))
        after = str(rest[size - 1]["id"]) if len(rest) > size else None
        return {"data": rest[:size], "maps": {}, "query": {"queryKey": None}, "cursor": {"after": after}}

    def _edit(self, form: dict[str, Any]) -> dict[str, Any]:
        assert "objectIdentifier" not in form, "tasks that exist are never changed"
        changes = {change["type"]: change["value"] for change in form["transactions"].values()}
        assert len(changes) == len(form["transactions"])
        if unknown := set(changes) - _TRANSACTIONS:
            raise ApiError("ERR-CONDUIT-CORE", f"Transaction has invalid type {unknown}.")
        self._check(changes)
        failing = self.fail_at == self.created
        self.created += 1
        if failing and self.failure == "error":
            raise ApiError("ERR-CONDUIT-CORE", "Validation errors:\n  - Something is wrong.")
        if failing and self.failure == "hangup before":
            raise Hangup
        task = self._made(changes)
        if failing:
            raise Hangup
        return {"object": {"id": task["id"], "phid": task["phid"]}, "transactions": []}

    def _check(self, changes: dict[str, Any]) -> None:
        assert changes["title"]
        words = {word for priority in self.priorities for word in priority["keywords"]}
        assert changes["priority"] in words
        assert set(changes["projects.add"].values()) <= set(self.projects.values())
        known = {task["phid"] for task in self.tasks}
        for edge in _EDGES & set(changes):
            assert list(changes[edge]) == [str(index) for index in range(len(changes[edge]))]
            assert set(changes[edge].values()) <= known

    def _made(self, changes: dict[str, Any]) -> dict[str, Any]:
        task = self.add(changes["title"], changes["description"])
        for parent in changes.get("parents.add", {}).values():
            self.subtasks.setdefault(parent, set()).add(task["phid"])
        for part in changes.get("subtasks.add", {}).values():
            self.subtasks.setdefault(task["phid"], set()).add(part)
        return task


@contextmanager
def serving(phabricator: Phabricator) -> Iterator[str]:
    """Serve *phabricator* on this machine until the block ends; yield its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.headers["Content-Type"] == "application/x-www-form-urlencoded"
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            method = self.path.removeprefix("/api/")
            if phabricator.raw is not None:
                self._send(*phabricator.raw)
                return
            try:
                envelope = {
                    "result": phabricator.answer(method, php_form(body)),
                    "error_code": None,
                    "error_info": None,
                }
            except ApiError as error:
                code, info = error.args
                envelope = {"result": None, "error_code": code, "error_info": info}
            except Hangup:
                self.close_connection = True
                return
            self._send(200, {"Content-Type": "application/json"}, json.dumps(envelope).encode())

        def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
