"""The shared secret of a run's master and workers, and the key derived from it."""

import hashlib
import os
import secrets

import zmq
from zmq.utils import z85

from common.errors import DogfoodError

#: Environment variable with the secret, for a master and workers that are started separately.
SECRET = "DOGFOOD_SECRET"  # noqa: S105 (its name, not the secret)

_MIN_LENGTH = 16

#: Secret without that variable; processes that Locust forks (`--processes`) inherit it.
_random = secrets.token_hex(32)


class SecretError(DogfoodError):
    """A missing or short secret of a master or worker."""

    page = "docs/guide/load.md"


def master_key(secret: str = "") -> bytes:
    """Return the master's secret key, derived from *secret* or, by default, from this process's secret."""
    text = secret or os.environ.get(SECRET) or _random
    return bytes(z85.encode(hashlib.sha256(b"dogfood master\0" + text.encode()).digest()))


def protect_master(socket: zmq.Socket[bytes]) -> None:
    """Make *socket*, before it is bound, accept only clients that know the secret."""
    socket.curve_server = True
    socket.curve_secretkey = master_key()


def protect_worker(socket: zmq.Socket[bytes], secret: str = "") -> None:
    """Make *socket*, before it connects, accept only a master with the same secret."""
    socket.curve_serverkey = zmq.curve_public(master_key(secret))
    socket.curve_publickey, socket.curve_secretkey = zmq.curve_keypair()


def check_secret(*, forks: bool) -> None:
    """Check that the secret is set, and long enough not to be guessed.

    Args:
        forks: whether one command forks all processes (`--processes`), which then inherit a random secret.

    Raises:
        SecretError: the secret is missing or short.
    """
    value = os.environ.get(SECRET, "")
    if not value and not forks:
        raise SecretError(
            f"{SECRET} is not set: a master and its workers need a shared secret. Set it to the same output of "
            f"`openssl rand -hex 32` in the environment of each"
        )
    if value and len(value) < _MIN_LENGTH:
        raise SecretError(f"{SECRET} has {len(value)} characters: use at least {_MIN_LENGTH}")
