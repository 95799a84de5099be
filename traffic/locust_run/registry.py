"""The crews of one Locust process."""

import sys
from collections.abc import Callable
from typing import Generic, TypeVar

import gevent
from locust.env import Environment
from locust.runners import MasterRunner

from common.errors import DogfoodError
from traffic.locust_run.controller import RunController
from traffic.locust_run.run_secret import check_secret

_SOON_S = 0.05

C = TypeVar("C", bound=RunController)


class RunRegistry(Generic[C]):
    """The crews of this process, by Locust's environment.

    Args:
        make: makes one.
    """

    def __init__(self, make: Callable[[Environment], C]) -> None:
        self._make = make
        self._crews: dict[Environment, C] = {}

    def register_events(self, environment: Environment) -> None:
        """Give *environment* the crew that its users work for; called once a process, when Locust is ready.

        A master whose workers cannot know its secret ends the process.
        """
        try:
            if isinstance(environment.runner, MasterRunner):
                check_secret(forks=bool(environment.parsed_options and environment.parsed_options.processes))
            crew = self._make(environment)
        except DogfoodError as error:
            print(f"error: {error}" + (f" (see {error.page})" if error.page else ""), file=sys.stderr, flush=True)
            sys.exit(error.exit_code)
        crew.catch_up()
        self._crews[environment] = crew

    def of(self, environment: Environment) -> C:
        """Return the crew of *environment*; a user on a worker that joins a test under way may have to wait for it."""
        while environment not in self._crews:
            gevent.sleep(_SOON_S)
        return self._crews[environment]
