"""The run controllers of one Locust process."""

import sys
from collections.abc import Callable
from typing import Generic, TypeVar

import gevent
from locust.env import Environment
from locust.runners import MasterRunner

from common.errors import DogfoodError
from traffic.locust_run.controller import RunController
from traffic.locust_run.run_secret import check_secret

_POLL_S = 0.05

C = TypeVar("C", bound=RunController)


class RunRegistry(Generic[C]):
    """The run controllers of this process, by Locust environment.

    Args:
        make: creates a controller.
    """

    def __init__(self, make: Callable[[Environment], C]) -> None:
        self._make = make
        self._controllers: dict[Environment, C] = {}

    def register_events(self, environment: Environment) -> None:
        """Create the controller of *environment*. Call it once per process, when Locust is initialised.

        Exits if this is a master whose workers cannot know its secret.
        """
        try:
            if isinstance(environment.runner, MasterRunner):
                check_secret(forks=bool(environment.parsed_options and environment.parsed_options.processes))
            controller = self._make(environment)
        except DogfoodError as error:
            print(f"error: {error}" + (f" (see {error.page})" if error.page else ""), file=sys.stderr, flush=True)
            sys.exit(error.exit_code)
        controller.join_running_test()
        self._controllers[environment] = controller

    def of(self, environment: Environment) -> C:
        """Return the controller of *environment*; wait for it on a worker that joins a running test."""
        while environment not in self._controllers:
            gevent.sleep(_POLL_S)
        return self._controllers[environment]
