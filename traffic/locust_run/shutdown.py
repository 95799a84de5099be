"""Signal handling of a Locust process.

By default, Python raises KeyboardInterrupt in the current greenlet, which may be the one that reads the sender's
reports. Here SIGINT becomes SIGTERM, and SIGTERM starts Locust's shutdown. A second SIGINT ends the process without
closing the run.
"""

import os
import signal
import sys
from collections.abc import Callable

import gevent
from locust.env import Environment

from common.errors import KitFaultError

#: Maximum time until Locust's SIGTERM handler begins. Before all workers are connected it has no handler.
_SHUTDOWN_BEGINS_WITHIN_S = 0.5


class Signals:
    """Ends the process of *environment* on SIGINT and SIGTERM. Ignored signals stay ignored.

    Args:
        environment: Locust's environment.
        on_stop: called first on each of these signals.
    """

    def __init__(self, environment: Environment, on_stop: Callable[[], None]) -> None:
        self._environment = environment
        self._on_stop = on_stop
        self._interrupted = False
        self._quitting = False
        environment.events.quitting.add_listener(self._on_quitting)  # type: ignore[no-untyped-call]
        for number, handle in ((signal.SIGINT, self._interrupt), (signal.SIGTERM, self._terminate)):
            if signal.getsignal(number) is not signal.SIG_IGN:
                gevent.signal_handler(number, handle)

    def _on_quitting(self, **_: object) -> None:
        self._quitting = True

    def _interrupt(self) -> None:
        if self._interrupted:
            print("error: interrupted twice: ended without closing the run", file=sys.stderr, flush=True)
            os._exit(KitFaultError.exit_code)
        self._interrupted = True
        os.kill(os.getpid(), signal.SIGTERM)

    def _terminate(self) -> None:
        self._on_stop()
        gevent.sleep(_SHUTDOWN_BEGINS_WITHIN_S)
        if not self._quitting:
            environment = self._environment
            environment.events.quitting.fire(environment=environment, reverse=True)  # type: ignore[no-untyped-call]
            if environment.runner is not None:
                environment.runner.quit()
            sys.exit(environment.process_exit_code or 0)
