"""`python -m testbed.stream.kafka`: a broker of one node, on this machine only."""

import argparse
import os
from pathlib import Path

from testbed.http_server import guarded
from testbed.stream.kafka.broker import Broker


def main() -> None:
    """Read the options and become the broker: the process keeps its id."""
    parser = argparse.ArgumentParser(prog="python -m testbed.stream.kafka", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9092)
    parser.add_argument("--data", type=Path, required=True, help="folder of the broker's data and settings")
    options = parser.parse_args()
    command = Broker(options.data, options.host, options.port).prepare()
    os.execv(command[0], command)  # noqa: S606 (a list of words of our own, and no shell)


guarded(main)
