"""The guard of a process that sends, in processes of their own: what is installed there stays there."""

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


def test_the_targets_own_addresses_can_be_reached() -> None:
    done = run("['127.0.0.1']", "socket.create_connection(('127.0.0.1', port)).close(); print('connected')")
    assert done.stdout == "connected\n", done.stderr


@pytest.mark.parametrize(
    "code",
    [
        "socket.create_connection(('127.0.0.1', port))",
        "socket.create_connection(('localhost', port))",
        "socket.socket().connect_ex(('127.0.0.1', port))",
        "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', port))",
        "socket.create_connection(('::ffff:127.0.0.1', port))",
        # The networks' own libraries, also where they would take a proxy from the environment.
        "os.environ['HTTP_PROXY'] = f'http://127.0.0.1:{port}'\n"
        "import urllib.request; urllib.request.urlopen('http://192.0.2.1/', timeout=5)",
        "import httpx; httpx.get(f'http://127.0.0.1:{port}/', timeout=5)",
        "import gevent.monkey; gevent.monkey.patch_all()\nimport geventhttpclient\n"
        "geventhttpclient.HTTPClient('127.0.0.1', port, connection_timeout=5).get('/')",
    ],
)
def test_no_other_address_can_be(code: str) -> None:
    done = run("['192.0.2.1']", code)
    assert done.returncode == 1
    assert "127.0.0.1 is no address of the target: nothing is sent there (it has 192.0.2.1)" in done.stderr


def test_it_can_be_moved_to_the_next_run_but_not_taken_off() -> None:
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
    done = run("['127.0.0.1']", code)
    assert done.stdout == "a target without addresses cannot be sent to\nforbidden None\n", done.stderr


def test_sockets_of_this_machine_are_not_of_the_network() -> None:
    code = """
import tempfile
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, 's')
    unix = socket.socket(socket.AF_UNIX); unix.bind(path); unix.listen()
    socket.socket(socket.AF_UNIX).connect(path)
print('connected')
"""
    assert run("['192.0.2.1']", code).stdout == "connected\n"


def test_names_are_not_resolved_again() -> None:
    """The name exists nowhere: gevent's sockets, and so Locust's, get its pinned addresses."""
    code = """
import gevent, gevent.socket, geventhttpclient
from common.egress import Egress
from traffic.egress_guard import confine
confine(Egress('mine', {'intake.example': ('192.0.2.9',)}))
confine(Egress('mine', {'intake.example': ('127.0.0.1', '::1')}))
found = gevent.socket.getaddrinfo('intake.example', port, type=socket.SOCK_STREAM)
print(sorted({address[4][0] for address in found}))
print({address[4][0] for address in gevent.socket.getaddrinfo('intake.example', port, socket.AF_INET)})
gevent.spawn(lambda: server.accept()[0].sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n'))
print(geventhttpclient.HTTPClient('intake.example', port, connection_timeout=20).get('/').status_code)
"""
    done = subprocess.run(
        [sys.executable, "-c", _SERVER + code], capture_output=True, text=True, check=False, timeout=240
    )
    assert done.stdout == "['127.0.0.1', '::1']\n{'127.0.0.1'}\n200\n", done.stderr


def test_datagrams_of_a_message_are_refused() -> None:
    code = "socket.socket(type=socket.SOCK_DGRAM).sendmsg([b'x'], [], 0, ('127.0.0.1', port))"
    done = run("['192.0.2.1']", code)
    assert "127.0.0.1 is no address of the target" in done.stderr
