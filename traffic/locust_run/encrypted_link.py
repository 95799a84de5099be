"""Encrypted connections between Locust's master and its workers, authenticated by the run's secret.

Locust's protocol has no authentication: its master accepts messages from every client. Here both ends use CurveZMQ
(https://rfc.zeromq.org/spec/26/), which is part of ZeroMQ: without the key derived from the secret the handshake fails,
and no message arrives. `traffic.locust_run.worker_messages` checks messages before Locust gets them.
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

#: Heartbeats (one per second) that a worker may miss. Locust's default of three is too few on a busy machine.
_LOST_AFTER_HEARTBEATS = 15

_LOOPBACK = "127.0.0.1"


def bind_to_loopback(parser: ArgumentParser) -> None:
    """Bind the master's port and the web page to loopback, unless an option says otherwise."""
    parser.set_defaults(master_bind_host=_LOOPBACK, web_host=_LOOPBACK)


def secure() -> None:
    """Encrypt connections of Locust's master and workers in this process. Further calls do nothing."""
    if zmqrpc.Server is not _Server:
        zmqrpc.BaseSocket.__init__ = _with_keys  # type: ignore[method-assign]  # Locust has no hook for this
        zmqrpc.Server = _Server  # type: ignore[misc]
        runners.HEARTBEAT_LIVENESS = _LOST_AFTER_HEARTBEATS


_init_unencrypted = zmqrpc.BaseSocket.__init__


def _with_keys(self: Any, sock_type: int, ipv4_only: bool) -> None:  # noqa: ANN401 (Locust's, untyped)
    _init_unencrypted(self, sock_type, ipv4_only)  # type: ignore[no-untyped-call]
    if sock_type == zmq.ROUTER:
        protect_master(self.socket)
    else:
        _check_worker()
        protect_worker(self.socket)


def _check_worker() -> None:
    """Exit a worker that was started by hand without the secret: it would try to connect for minutes."""
    started_by_hand = "--worker" in sys.argv or "LOCUST_MODE_WORKER" in os.environ
    try:
        check_secret(forks=not started_by_hand)
    except SecretError as error:
        print(f"error: {error} (see {error.page})", file=sys.stderr, flush=True)
        sys.exit(error.exit_code)


class _Server(zmqrpc.Server):
    """The master's server, which refuses malformed messages."""

    def recv_from_client(self) -> tuple[str, Message]:
        """Return the next message and its sender. Raises RPCReceiveError if malformed, RPCError if ZeroMQ fails."""
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


def _check_statistics(sender: str, data: Any) -> None:  # noqa: ANN401 (unchecked input)
    """Check that Locust can add up the statistics *data*. Raises MalformedMessageError."""
    stats = RequestStats()
    try:
        for row in (*data["stats"], data["stats_total"]):
            StatsEntry(stats, "", "").extend(StatsEntry.unserialize(row, stats))
        for row in data["errors"].values():
            StatsError.unserialize(row)
    except MALFORMED as error:
        raise MalformedMessageError(f"{sender!r} sent statistics that cannot be read ({error!r})") from error
