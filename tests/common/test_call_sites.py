"""Every module of the kit that opens a connection is on a list with reasons."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

#: The testbed is independent of the kit. The bench and the tests stay on this machine and are not part of the wheel.
PACKAGES = ("analysis", "browser_scenarios", "common", "dogfood", "locustfiles", "contracts", "personas",
            "run_record", "traffic")  # fmt: skip

#: Calls that open a connection or create a client, by module.
CALLS = {
    "httpx": {"Client", "AsyncClient", "HTTPTransport", "AsyncHTTPTransport", "get", "post", "put", "patch", "delete",
              "head", "options", "request", "stream"},
    "socket": {"socket", "create_connection", "getaddrinfo", "gethostbyname", "create_server"},
    "asyncio": {"open_connection"},
    "requests": {"Session", "get", "post", "request"},
}  # fmt: skip

#: Modules whose import alone needs a reason.
IMPORTS = {
    "urllib.request", "http.client", "ftplib", "smtplib", "aiohttp", "urllib3", "websockets", "geventhttpclient",
    "requests", "confluent_kafka", "trino", "pyspark", "opentelemetry.exporter", "locust.FastHttpUser",
    "locust.HttpUser", "grpc",
}  # fmt: skip

#: Methods that connect or send, by name, on any object.
METHODS = {"connect_ex", "sendto", "sendmsg", "urlopen", "launch", "launch_persistent_context"}

ALLOWED = {
    ("common/http.py", "httpx.Client"): "the policy's own client",
    ("common/http.py", "httpx.AsyncClient"): "the policy's own client",
    ("common/http.py", "httpx.HTTPTransport"): "goes to pinned addresses",
    ("common/http.py", "httpx.AsyncHTTPTransport"): "goes to pinned addresses",
    ("common/egress.py", "socket.getaddrinfo"): "the one place where names are resolved",
    ("common/egress.py", "socket.create_connection"): "to a pinned address, to see which one answers",
    (
        "traffic/sender/connection_pool.py",
        "socket.socket",
    ): "to the pinned addresses of its endpoint, in a confined process",
    (
        "traffic/sender/connection_pool.py",
        ".connect_ex",
    ): "to the pinned addresses of its endpoint, in a confined process",
    (
        "traffic/wiki_sessions/wiki_user.py",
        "import locust.FastHttpUser",
    ): "in a confined process, whose names are pinned",
    ("browser_scenarios/chromium.py", ".launch"): "Chromium, with the policy as rules for names",
    ("browser_scenarios/recorder.py", "socket.create_server"): "listens on this machine",
    ("common/ports.py", "socket.socket"): "looks for a free port of this machine",
    ("dogfood/testbed_control/service_health.py", "socket.socket"): "looks whether a port of this machine is free",
    ("contracts/kafka.py", "import confluent_kafka"): "brokers that the user names; nothing is sent to a target",
    ("contracts/spark_session.py", "import pyspark"): "a warehouse that the user names; it is read",
    ("analysis/engines/spark_engine.py", "import pyspark"): "a warehouse that the user names; it is read",
    ("analysis/engines/trino_engine.py", "import trino"): "a warehouse that the user names; without proxies and netrc",
    ("analysis/engines/trino_engine.py", "import requests"): "Trino's own client; without proxies and netrc",
    ("analysis/engines/trino_engine.py", "requests.Session"): "Trino's own client; without proxies and netrc",
    ("dogfood/metrics/otel.py", "import opentelemetry.exporter"): "a collector that the user names",
    ("dogfood/metrics/otel.py", "import requests"): "OpenTelemetry's own client; without proxies and netrc",
    ("dogfood/metrics/otel.py", "requests.Session"): "OpenTelemetry's own client; without proxies and netrc",
}


def imported(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """Yield the full names that an import makes known."""
    for name in node.names:
        yield f"{node.module}.{name.name}" if isinstance(node, ast.ImportFrom) else name.name


def call_sites(tree: ast.AST) -> Iterator[str]:
    """Yield what in *tree* opens connections, or makes what does."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name in imported(node):
                yield from (f"import {known}" for known in IMPORTS if f"{name}.".startswith(f"{known}."))
                module, _, last = name.rpartition(".")
                if last in CALLS.get(module, ()):
                    yield f"{module}.{last}"
        elif isinstance(node, ast.Attribute):
            if isinstance(node.value, ast.Name) and node.attr in CALLS.get(node.value.id, ()):
                yield f"{node.value.id}.{node.attr}"
            if node.attr in METHODS:
                yield f".{node.attr}"
            # Playwright's API client resolves names in a separate process, past the browser's rules.
            if node.attr == "request" and isinstance(node.value, ast.Attribute) and node.value.attr == "context":
                yield "Playwright's API client"


def all_sites() -> set[tuple[str, str]]:
    """Return the call sites of the kit, as (file, what)."""
    sites = set()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            sites |= {(str(path.relative_to(ROOT)), what) for what in call_sites(tree)}
    return sites


def test_only_the_policy_opens_connections() -> None:
    types = {(file, what) for file, what in all_sites() if (file, what) not in ALLOWED}
    # A client is named as a type where it is handed on.
    unexplained = {(file, what) for file, what in types if what not in ("httpx.Client", "httpx.AsyncClient")}
    assert unexplained == set()


def test_only_the_policy_creates_clients() -> None:
    names = set()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in ("httpx.Client", "httpx.AsyncClient"):
                    names.add(str(path.relative_to(ROOT)))
    assert names == {"common/http.py"}


def test_the_list_of_reasons_is_not_stale() -> None:
    assert set(ALLOWED) <= all_sites()


def test_connections_are_recognised() -> None:
    for code, what in (
        ("import httpx\nhttpx.get('http://a')", "httpx.get"),
        ("from httpx import get", "httpx.get"),
        ("import socket\nsocket.create_connection(('a', 1))", "socket.create_connection"),
        ("from urllib.request import urlopen", "import urllib.request"),
        ("import requests", "import requests"),
        ("from locust import HttpUser", "import locust.HttpUser"),
        ("self.context.request.get('a')", "Playwright's API client"),
    ):
        assert what in set(call_sites(ast.parse(code))), code
