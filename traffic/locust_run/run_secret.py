"""The secret that a run's master and its workers share, and the key that follows from it."""

import hashlib
import os
import secrets

import zmq
from zmq.utils import z85

from common.errors import DogfoodError

#: Environment variable with the secret of a master and workers that are started one by one.
SECRET = "DOGFOOD_SECRET"  # noqa: S105 (its name, not the secret)

_LEAST_LENGTH = 16

#: Where the environment has none: made for this process, and inherited by those that Locust forks (`--processes`).
_random = secrets.token_hex(32)


class SecretError(DogfoodError):
    """A master or a worker that has no usable secret."""

    page = "docs/guide/load.md"


def master_key(secret: str = "") -> bytes:
    """Return the master's secret key that follows from *secret*, by default from this process' own."""
    text = secret or os.environ.get(SECRET) or _random
    return bytes(z85.encode(hashlib.sha256(b"dogfood master\0" + text.encode()).digest()))


def protect_master(socket: zmq.Socket[bytes]) -> None:
    """Let only those talk to *socket*, before it is bound, who know the secret."""
    socket.curve_server = True
    socket.curve_secretkey = master_key()


def protect_worker(socket: zmq.Socket[bytes], secret: str = "") -> None:
    """Let *socket*, before it connects, talk to the master of the same secret only."""
    socket.curve_serverkey = zmq.curve_public(master_key(secret))
    socket.curve_publickey, socket.curve_secretkey = zmq.curve_keypair()


def check_secret(*, forks: bool) -> None:
    """Refuse a master or worker whose secret others do not know, or could guess.

    Args:
        forks: master and workers are processes of one command (`--processes`), and need no secret from outside.

    Raises:
        SecretError: it is missing or short.
    """
    given = os.environ.get(SECRET, "")
    if not given and not forks:
        raise SecretError(
            f"a master and its workers share a secret, and {SECRET} is not set: set it to the same "
            f"`openssl rand -hex 32` in the environment of each"
        )
    if given and len(given) < _LEAST_LENGTH:
        raise SecretError(f"{SECRET} has {len(given)} characters: use at least {_LEAST_LENGTH}")
