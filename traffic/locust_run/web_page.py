"""Additions to Locust's web page: checks of its form, waiting for the end of a stop, fates and the verdict."""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast

import gevent
from flask import Blueprint, Response, jsonify, redirect, request, send_file
from gevent.timeout import Timeout
from locust.env import Environment
from locust.runners import STATE_CLEANUP, STATE_RUNNING, STATE_SPAWNING, STATE_STOPPING, MasterRunner
from locust.util.timespan import parse_timespan

from common.errors import DogfoodError
from traffic.locust_run.run_verdict import REPORT, Judgement
from traffic.locust_run.web_form import with_form
from traffic.locust_run.web_summary import TABLE, RunView

_PAGE = Path(__file__).with_suffix(".html")

#: Key of the tab, and part of the page's URL.
_KEY = "dogfood"

#: Locust's page polls a test's state until users are being stopped.
_ENDING = (STATE_CLEANUP, STATE_STOPPING)
_ENDS_WITHIN_S = 60.0

#: Workers become ready again some seconds after a test: Locust waits for their users' stop timeout.
_WORKERS_COME_WITHIN_S = 30.0
_POLL_S = 0.05


class OptionChecker(Protocol):
    """The page's view of a run controller."""

    def check(self, options: Namespace) -> None:
        """Check that *options* allow a run. Raises DogfoodError."""


class WebPage:
    """The kit's additions to the web page of *environment*.

    Args:
        environment: Locust's environment, with a web page.
        controller: controller of the runs that the page starts.
    """

    def __init__(self, environment: Environment, controller: OptionChecker) -> None:
        self._environment = environment
        self._controller = controller
        self._view: RunView | None = None
        self._judgement = Judgement()
        self._workers = 0
        # Locust's class has no types.
        self._page = cast("Any", environment.web_ui)
        self._app = self._page.app
        self._base = environment.parsed_options.web_base_path or "" if environment.parsed_options else ""
        self._app.before_request(self._before_request)
        self._app.after_request(self._after_request)
        self._app.register_blueprint(self._routes())
        # The form keeps the order of --help, the page the order of a run's events.
        self._app.json.sort_keys = False
        self._app.jinja_env.policies["json.dumps_kwargs"] = {"sort_keys": False}
        self._page.template_args |= {
            "extended_tabs": [{"title": "Fates", "key": _KEY}],
            "extended_tables": [{"key": _KEY, "structure": TABLE}],
        }

    def begin(self, folder: Path) -> None:
        """Show the run in *folder* from now on."""
        self._view = RunView(folder)
        self._judgement = Judgement()
        runner = self._environment.runner
        self._workers = runner.worker_count if isinstance(runner, MasterRunner) else 0

    def end(self) -> None:
        """Judge the run if its rows are in the testbed."""
        if self._view is not None:
            self._judgement.start(self._view.folder)

    def cancel_alarm(self) -> None:
        """Cancel the form's run time for the test that is being started."""
        self._page._cancel_run_time_timer()

    def _routes(self) -> Blueprint:
        routes = Blueprint(_KEY, __name__, url_prefix=self._base)
        guard = self._page.auth_required_if_enabled
        routes.add_url_rule(f"/{_KEY}", "page", guard(lambda: send_file(_PAGE, max_age=0)))
        routes.add_url_rule(f"/{_KEY}/state", "state", guard(lambda: jsonify(self._state())))
        routes.add_url_rule(f"/{_KEY}/report", "report", guard(self._report))
        return routes

    def _state(self) -> Mapping[str, Any]:
        """Return the data of the run's page."""
        runner = self._environment.runner
        now = {"state": runner.state, "users": runner.user_count} if runner is not None else {}
        if self._view is None:
            return now
        return {**now, **self._view.state(), "judgement": self._judgement.state(self._view.folder)}

    def _report(self) -> Response:
        path = self._view.folder / REPORT if self._view is not None else None
        if path is None or not path.is_file():
            return redirect(f"{self._base}/{_KEY}")  # type: ignore[return-value]  # Werkzeug's own class
        return send_file(path.resolve(), max_age=0)

    def _before_request(self) -> Response | None:
        """Delay a request while a test is being stopped; answer a request whose form is invalid."""
        path = request.path.removeprefix(self._base)
        if path in ("/", "/stats/requests", "/swarm"):
            self._wait_for_end()
        if path == "/swarm" and request.method == "POST":
            return self._refuse()
        return None

    def _wait_for_end(self) -> None:
        with Timeout(_ENDS_WITHIN_S, False):
            while self._environment.runner is not None and self._environment.runner.state in _ENDING:
                gevent.sleep(_POLL_S)

    def _refuse(self) -> Response | None:
        """Return an error if the form cannot start a test; None if it can, or if it changes a running test."""
        runner, options = self._environment.runner, self._environment.parsed_options
        if runner is None or options is None or runner.state in (STATE_RUNNING, STATE_SPAWNING):
            return None
        # With an empty field, Locust keeps the previous test's run time.
        options.run_time = None
        try:
            self._controller.check(with_form(options, request.form, parse_timespan))
        except (DogfoodError, ValueError) as error:
            return jsonify({"success": False, "message": str(error), "host": self._environment.host})
        if isinstance(runner, MasterRunner):
            with Timeout(_WORKERS_COME_WITHIN_S, False):
                while len(runner.clients.ready) < max(1, self._workers):
                    gevent.sleep(_POLL_S)
        return None

    def _after_request(self, response: Response) -> Response:
        path = request.path.removeprefix(self._base)
        if path == "/stats/requests" and response.is_json and self._view is not None:
            table = [{"key": _KEY, "data": self._view.table()}]
            response.set_data(self._app.json.dumps({**response.get_json(), "extended_stats": table}))
        elif path == "/" and response.mimetype == "text/html" and not response.direct_passthrough:
            link = f'<a href="{self._base}/{_KEY}" style="{_LINK_STYLE}">Fates and verdict</a>\n  </body>'
            response.set_data(response.get_data(as_text=True).replace("</body>", link))
        return response


_LINK_STYLE = (
    "position:fixed;left:1rem;bottom:1rem;z-index:9999;padding:.5rem .9rem;border-radius:.3rem;"
    "background:#15803d;color:#fff;font:500 14px sans-serif;text-decoration:none"
)
