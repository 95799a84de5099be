"""`python -m testbed.mpic`: MPIC as a process of its own."""

import argparse
import logging
import signal
import sys
from pathlib import Path

from testbed.http_server import bind, guarded, serve
from testbed.mpic.app import LOOPBACK, create_app
from testbed.mpic.store import Store


def main() -> None:
    """Read the options and serve until asked to stop."""
    parser = argparse.ArgumentParser(prog="python -m testbed.mpic", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8086)
    parser.add_argument("--database", type=Path, required=True, help="SQLite file, made when it is not there")
    parser.add_argument("--operator", default="operator", help="who the history says it was, unless told in the UI")
    parser.add_argument("--allow-host", action="append", default=[], help="a further name it may be asked by")
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    options = parser.parse_args()
    logging.basicConfig(
        level=options.log_level.upper(),
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    store = Store(options.database)
    # uvicorn raises the signal again once it has stopped; without this the process would die of it uncleaned.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        app = create_app(store, operator=options.operator, hosts=[*LOOPBACK, options.host, *options.allow_host])
        serve("MPIC", app, bind(options.host, options.port))
    except KeyboardInterrupt:
        pass
    finally:
        store.close()


guarded(main)
