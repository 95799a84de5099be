"""How the testbed's HTTP services start and stop: bind, print one line, serve, shut down cleanly."""

import asyncio
import socket
import sys
from collections.abc import Callable

from common.errors import DogfoodError


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket on *host* and *port* (0 takes a free one).

    Raises:
        DogfoodError: the port is in use or invalid.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except (OSError, OverflowError) as error:
        listener.close()
        raise DogfoodError(f"cannot listen on {host}:{port} ({error}); choose another port") from error
    return listener


def serve(
    name: str,
    app: Callable[..., object],
    listener: socket.socket,
    *,
    http: type[asyncio.Protocol] | str = "httptools",
) -> None:
    """Serve *app* on *listener* until the process gets SIGTERM or SIGINT."""
    # Commands that only print or ingest use this module as well and are to start quickly.
    import uvicorn

    host, port = listener.getsockname()[:2]
    config = uvicorn.Config(
        app, http=http, loop="uvloop", lifespan="off", log_level="warning", access_log=False,
        server_header=False, date_header=False, timeout_graceful_shutdown=3,
    )  # fmt: skip
    print(f"{name} listens on http://{host}:{port}", flush=True)
    uvicorn.Server(config).run(sockets=[listener])


def guarded(main: Callable[[], None]) -> None:
    """Run *main*; print a `DogfoodError` as one line and exit with its code."""
    try:
        main()
    except DogfoodError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
