"""What the kit adds to Locust's web page: refusals in its form, the end of a stop, fates and the verdict."""

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

#: Key of the tab, and part of the address of the page.
_KEY = "dogfood"

#: Locust's page asks how a test is while it runs, and stops asking when it hears that users are being stopped.
_ENDING = (STATE_CLEANUP, STATE_STOPPING)
_ENDS_WITHIN_S = 60.0

#: Workers come back some seconds after a test: Locust lets them wait for as long as their users may take to stop.
_WORKERS_COME_WITHIN_S = 30.0
_POLL_S = 0.05


class Checks(Protocol):
    """What the page needs of a crew."""

    def check(self, options: Namespace) -> None:
        """Refuse *options* that no run can be made of. Raises DogfoodError."""


class WebPage:
    """Adds to the web page of *environment*.

    Args:
        environment: Locust's, with a web page.
        crew: of the runs that the page starts.
    """

    def __init__(self, environment: Environment, crew: Checks) -> None:
        self._environment = environment
        self._crew = crew
        self._view: RunView | None = None
        self._judgement = Judgement()
        self._workers = 0
        # Locust's class, which is not typed.
        self._page = cast("Any", environment.web_ui)
        self._app = self._page.app
        self._base = environment.parsed_options.web_base_path or "" if environment.parsed_options else ""
        self._app.before_request(self._before)
        self._app.after_request(self._after)
        self._app.register_blueprint(self._routes())
        # The form has the options in the order of --help, the page its rows in the order of a run.
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
        """Have the run judged, where the rows can be had without asking anybody."""
        if self._view is not None:
            self._judgement.start(self._view.folder)

    def cancel_alarm(self) -> None:
        """Let the test that is being started not be ended by the run time of the form."""
        self._page._cancel_run_time_timer()

    def _routes(self) -> Blueprint:
        routes = Blueprint(_KEY, __name__, url_prefix=self._base)
        guard = self._page.auth_required_if_enabled
        routes.add_url_rule(f"/{_KEY}", "page", guard(lambda: send_file(_PAGE, max_age=0)))
        routes.add_url_rule(f"/{_KEY}/state", "state", guard(lambda: jsonify(self._state())))
        routes.add_url_rule(f"/{_KEY}/report", "report", guard(self._report))
        return routes

    def _state(self) -> Mapping[str, Any]:
        """Return what the page of the run shows."""
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

    def _before(self) -> Response | None:
        """Let a request wait for the end of a test that is being stopped; answer one that starts no run."""
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
        """Return why no test can be started with the form, None when one can, or one runs that is changed."""
        runner, options = self._environment.runner, self._environment.parsed_options
        if runner is None or options is None or runner.state in (STATE_RUNNING, STATE_SPAWNING):
            return None
        # Locust keeps the run time of the test before when the field is empty.
        options.run_time = None
        try:
            self._crew.check(with_form(options, request.form, parse_timespan))
        except (DogfoodError, ValueError) as error:
            return jsonify({"success": False, "message": str(error), "host": self._environment.host})
        if isinstance(runner, MasterRunner):
            with Timeout(_WORKERS_COME_WITHIN_S, False):
                while len(runner.clients.ready) < max(1, self._workers):
                    gevent.sleep(_POLL_S)
        return None

    def _after(self, response: Response) -> Response:
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
