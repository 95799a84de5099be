"""`python -m testbed.stream.kafka`: a single-node broker on this machine."""

import argparse
import os
from pathlib import Path

from testbed.http_server import guarded
from testbed.stream.kafka.broker import Broker


def main() -> None:
    """Read the options and replace this process by the broker; the process id stays the same."""
    parser = argparse.ArgumentParser(prog="python -m testbed.stream.kafka", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9092)
    parser.add_argument("--data", type=Path, required=True, help="folder of the broker's data and settings")
    options = parser.parse_args()
    command = Broker(options.data, options.host, options.port).prepare()
    os.execv(command[0], command)  # noqa: S606 (no shell, and arguments from this program)


guarded(main)
