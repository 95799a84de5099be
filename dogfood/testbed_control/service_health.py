"""Health of a service, and of a port that one could use."""

import socket

import httpx

from common.egress import LOOPBACK
from common.http import open_client

HOST = "127.0.0.1"


def is_healthy(port: int) -> bool:
    """Return whether the HTTP service on *port* reports that it is healthy."""
    try:
        with open_client(LOOPBACK, timeout_s=5) as client:
            return client.get(f"http://{HOST}:{port}/healthz").status_code == 200
    except httpx.HTTPError:
        return False


def port_problem(port: int) -> str:
    """Return why no service can listen on *port*; empty when one can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            return str(error)
    return ""


def kafka_answers(port: int) -> bool:
    """Return whether a Kafka broker answers on *port*."""
    return bootstrap_answers(f"{HOST}:{port}")


def bootstrap_answers(bootstrap: str) -> bool:
    """Return whether the Kafka broker at *bootstrap* answers."""
    from contracts.kafka import is_reachable

    return is_reachable(bootstrap, within_s=2.0)
