"""The connection between Locust's master and its workers: encrypted, for those who know the run's secret only.

Locust's own protocol has no authentication: its master takes messages from everybody who can connect. Here both ends
use CurveZMQ (https://rfc.zeromq.org/spec/26/), which ZeroMQ has built in: without the key that follows from the secret
the handshake fails, and no message arrives. What arrives is checked before Locust sees it (`traffic.locust_run.worker_messages`).
"""

import os
import sys
from argparse import ArgumentParser
from typing import Any

import zmq
from locust import runners
from locust.exception import RPCError, RPCReceiveError
from locust.rpc import Message, zmqrpc
from locust.stats import RequestStats, StatsEntry, StatsError

from traffic.locust_run.run_secret import SecretError, check_secret, protect_master, protect_worker
from traffic.locust_run.worker_messages import MALFORMED, STATISTICS, MalformedMessageError, parse

#: Heartbeats, one a second, that a worker may miss; Locust's own three are too few on a busy machine.
_LOST_AFTER_HEARTBEATS = 15

_LOOPBACK = "127.0.0.1"


def bind_to_loopback(parser: ArgumentParser) -> None:
    """Let the master's port and the web page be reached from this machine only, unless an option says otherwise."""
    parser.set_defaults(master_bind_host=_LOOPBACK, web_host=_LOOPBACK)


def secure() -> None:
    """Let Locust's master and workers in this process use encrypted connections from now on. May be called again."""
    if zmqrpc.Server is not _Server:
        zmqrpc.BaseSocket.__init__ = _with_keys  # type: ignore[method-assign]  # Locust has no place for this
        zmqrpc.Server = _Server  # type: ignore[misc]
        runners.HEARTBEAT_LIVENESS = _LOST_AFTER_HEARTBEATS


_plain = zmqrpc.BaseSocket.__init__


def _with_keys(self: Any, sock_type: int, ipv4_only: bool) -> None:  # noqa: ANN401 (Locust's, untyped)
    _plain(self, sock_type, ipv4_only)  # type: ignore[no-untyped-call]
    if sock_type == zmq.ROUTER:
        protect_master(self.socket)
    else:
        _check_worker()
        protect_worker(self.socket)


def _check_worker() -> None:
    """End a worker that was started by hand without the secret: it would try to connect for minutes."""
    started_by_hand = "--worker" in sys.argv or "LOCUST_MODE_WORKER" in os.environ
    try:
        check_secret(forks=not started_by_hand)
    except SecretError as error:
        print(f"error: {error} (see {error.page})", file=sys.stderr, flush=True)
        sys.exit(error.exit_code)


class _Server(zmqrpc.Server):
    """Locust's end of the master, to which nothing malformed gets through."""

    def recv_from_client(self) -> tuple[str, Message]:
        """Return the next message and its sender. Raises RPCReceiveError when it is malformed, RPCError when broken."""
        try:
            frames = self.socket.recv_multipart()
        except zmq.ZMQError as error:
            raise RPCError("ZMQ network broken") from error
        try:
            sender, kind, data = parse(frames)
            if kind == STATISTICS:
                _check_statistics(sender, data)
        except MalformedMessageError as error:
            raise RPCReceiveError(f"refused: {error}") from error
        return sender, Message(kind, data, sender)  # type: ignore[no-untyped-call]


def _check_statistics(sender: str, data: Any) -> None:  # noqa: ANN401 (anything may come)
    """Refuse statistics that Locust could not add up. Raises MalformedMessageError."""
    scratch = RequestStats()
    try:
        for row in (*data["stats"], data["stats_total"]):
            StatsEntry(scratch, "", "").extend(StatsEntry.unserialize(row, scratch))
        for row in data["errors"].values():
            StatsError.unserialize(row)
    except MALFORMED as error:
        raise MalformedMessageError(f"{sender!r} sent statistics that cannot be read ({error!r})") from error
