"""How a Locust process ends: its signals are handled here and nowhere else.

Left alone, Python raises KeyboardInterrupt in the greenlet that happens to run, which may be the one that takes in
what the sender reports. Here SIGINT becomes SIGTERM, and that becomes Locust's own shutdown; a second SIGINT ends the
process without closing the run.
"""

import os
import signal
import sys
from collections.abc import Callable

import gevent
from locust.env import Environment

from common.errors import KitFaultError

#: How long Locust's own handler of SIGTERM may take to begin. It has none before all workers are connected.
_LOCUST_BEGINS_WITHIN_S = 0.5


class Signals:
    """Ends the process of *environment* on SIGINT and SIGTERM. Ignored signals stay ignored.

    Args:
        environment: Locust's.
        asked: called first, when somebody wants the test to end.
    """

    def __init__(self, environment: Environment, asked: Callable[[], None]) -> None:
        self._environment = environment
        self._asked = asked
        self._interrupted = False
        self._quitting = False
        environment.events.quitting.add_listener(self._quits)  # type: ignore[no-untyped-call]
        for number, handle in ((signal.SIGINT, self._interrupt), (signal.SIGTERM, self._terminate)):
            if signal.getsignal(number) is not signal.SIG_IGN:
                gevent.signal_handler(number, handle)

    def _quits(self, **_: object) -> None:
        self._quitting = True

    def _interrupt(self) -> None:
        if self._interrupted:
            print("error: ended without closing the run: interrupted twice", file=sys.stderr, flush=True)
            os._exit(KitFaultError.exit_code)
        self._interrupted = True
        os.kill(os.getpid(), signal.SIGTERM)

    def _terminate(self) -> None:
        self._asked()
        gevent.sleep(_LOCUST_BEGINS_WITHIN_S)
        if not self._quitting:
            environment = self._environment
            environment.events.quitting.fire(environment=environment, reverse=True)  # type: ignore[no-untyped-call]
            if environment.runner is not None:
                environment.runner.quit()
            sys.exit(environment.process_exit_code or 0)
