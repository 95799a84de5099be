"""The egress guard, each test in its own process: an audit hook cannot be removed."""

import subprocess
import sys

import pytest

_PRELUDE = """
import errno, os, socket, threading
from traffic.egress_guard import ForbiddenAddressError, allow_only
server = socket.create_server(("127.0.0.1", 0))
six = socket.create_server(("::1", 0), family=socket.AF_INET6)
port = server.getsockname()[1]
allow_only(ALLOWED)
"""


_SERVER = """
import gevent.monkey; gevent.monkey.patch_all()
import socket
server = socket.create_server(("127.0.0.1", 0))
port = server.getsockname()[1]
"""


def run(allowed: str, code: str) -> subprocess.CompletedProcess[str]:
    text = _PRELUDE.replace("ALLOWED", allowed) + code
    return subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False, timeout=240)


def test_the_targets_addresses_are_allowed() -> None:
    process = run("['127.0.0.1']", "socket.create_connection(('127.0.0.1', port)).close(); print('connected')")
    assert process.stdout == "connected\n", process.stderr


@pytest.mark.parametrize(
    "code",
    [
        "socket.create_connection(('127.0.0.1', port))",
        "socket.create_connection(('localhost', port))",
        "socket.socket().connect_ex(('127.0.0.1', port))",
        "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', port))",
        "socket.create_connection(('::ffff:127.0.0.1', port))",
        # HTTP libraries, with and without a proxy from the environment.
        "os.environ['HTTP_PROXY'] = f'http://127.0.0.1:{port}'\n"
        "import urllib.request; urllib.request.urlopen('http://192.0.2.1/', timeout=5)",
        "import httpx; httpx.get(f'http://127.0.0.1:{port}/', timeout=5)",
        "import gevent.monkey; gevent.monkey.patch_all()\nimport geventhttpclient\n"
        "geventhttpclient.HTTPClient('127.0.0.1', port, connection_timeout=5).get('/')",
    ],
)
def test_other_addresses_are_refused(code: str) -> None:
    process = run("['192.0.2.1']", code)
    assert process.returncode == 1
    assert "127.0.0.1 is not an address of the target: connection refused (allowed: 192.0.2.1)" in process.stderr


def test_a_further_call_replaces_the_addresses() -> None:
    code = """
try:
    allow_only([])
except Exception as error:
    print(error)
allow_only(['::1'])
socket.create_connection(('::1', six.getsockname()[1])).close()
try:
    socket.create_connection(('127.0.0.1', port))
except ForbiddenAddressError as error:
    print('forbidden', error.errno)
"""
    process = run("['127.0.0.1']", code)
    assert process.stdout == "the target has no addresses: nothing can be sent\nforbidden None\n", process.stderr


def test_unix_domain_sockets_are_allowed() -> None:
    code = """
import tempfile
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, 's')
    unix = socket.socket(socket.AF_UNIX); unix.bind(path); unix.listen()
    socket.socket(socket.AF_UNIX).connect(path)
print('connected')
"""
    assert run("['192.0.2.1']", code).stdout == "connected\n"


def test_names_resolve_to_pinned_addresses() -> None:
    """The name does not exist: gevent's sockets, which Locust uses, get its pinned addresses."""
    code = """
import gevent, gevent.socket, geventhttpclient
from common.egress import Egress
from traffic.egress_guard import confine
confine(Egress('mine', {'intake.example': ('192.0.2.9',)}))
confine(Egress('mine', {'intake.example': ('127.0.0.1', '::1')}))
infos = gevent.socket.getaddrinfo('intake.example', port, type=socket.SOCK_STREAM)
print(sorted({address[4][0] for address in infos}))
print({address[4][0] for address in gevent.socket.getaddrinfo('intake.example', port, socket.AF_INET)})
gevent.spawn(lambda: server.accept()[0].sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n'))
print(geventhttpclient.HTTPClient('intake.example', port, connection_timeout=20).get('/').status_code)
"""
    process = subprocess.run(
        [sys.executable, "-c", _SERVER + code], capture_output=True, text=True, check=False, timeout=240
    )
    assert process.stdout == "['127.0.0.1', '::1']\n{'127.0.0.1'}\n200\n", process.stderr


def test_datagrams_by_sendmsg_are_refused() -> None:
    code = "socket.socket(type=socket.SOCK_DGRAM).sendmsg([b'x'], [], 0, ('127.0.0.1', port))"
    process = run("['192.0.2.1']", code)
    assert "127.0.0.1 is not an address of the target" in process.stderr
