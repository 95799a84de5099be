"""`python -m testbed.mpic`: MPIC as a process."""

import argparse
import logging
import signal
import sys
from pathlib import Path

from testbed.http_server import bind, guarded, serve
from testbed.mpic.app import LOOPBACK, create_app
from testbed.mpic.store import Store


def main() -> None:
    """Read the options and serve until the process is stopped."""
    parser = argparse.ArgumentParser(prog="python -m testbed.mpic", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8086)
    parser.add_argument("--database", type=Path, required=True, help="SQLite file, created when missing")
    parser.add_argument("--operator", default="operator", help="name in the history, unless set in the UI")
    parser.add_argument("--allow-host", action="append", default=[], help="additional accepted host name; repeatable")
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    options = parser.parse_args()
    logging.basicConfig(
        level=options.log_level.upper(),
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    store = Store(options.database)
    # uvicorn raises the signal again after it has stopped; the default handler would skip the cleanup below.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        app = create_app(store, operator=options.operator, hosts=[*LOOPBACK, options.host, *options.allow_host])
        serve("MPIC", app, bind(options.host, options.port))
    except KeyboardInterrupt:
        pass
    finally:
        store.close()


guarded(main)
