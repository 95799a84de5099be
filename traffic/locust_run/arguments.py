"""The options that the locustfiles add to Locust's command line and to the form of its web page."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from personas.example_experiment import EXPERIMENT
from personas.pacing import SHAPES_HELP

if TYPE_CHECKING:
    # Importing Locust replaces the standard library's sockets: only its own processes may do that.
    from locust.argument_parser import LocustArgumentParser

#: Adds one option, as `add_argument` does; `include_in_web_ui=False` leaves it out of the page's form.
Add = Callable[..., None]


def option_group(parser: "LocustArgumentParser", title: str) -> Add:
    """Return what adds options to a group of *parser*, so that they are in `--help` and in the web page's form.

    A group's own `add_argument` does not set the marks by which Locust chooses what is in its form.
    """
    group = parser.add_argument_group(title)

    def add(*names: str, include_in_web_ui: bool = True, **keywords: Any) -> None:  # noqa: ANN401 (argparse's)
        action = group.add_argument(*names, **keywords)
        action.include_in_web_ui = include_in_web_ui
        action.is_secret = action.is_required = action.is_multiple = False

    return add


def add_options(parser: "LocustArgumentParser") -> None:
    """Add the options of every locustfile to Locust's."""
    add = option_group(parser, "dogfooding")
    _add_run(add)
    _add_systems(add)
    _add_arrivals(add)
    _add_events(add)


def _add_run(add: Add) -> None:
    # The page makes a new run for each test, so it has no field for a run that exists.
    add(
        "--run",
        default="",
        include_in_web_ui=False,
        help="folder of a run that `dogfood run` has set up; all other options come from there",
    )
    add("--runs", default="runs", help="folder in which a new run is made")
    add("--target", default="local", help="name of a file in targets/, or a path to one")
    add("--confirm", default="", help="name of the target once more, when it is production")


def _add_systems(add: Add) -> None:
    add("--intake", default="", help="address of the intake, instead of the target's; on a host the target allows")
    add("--mpic", default="", help="address of MPIC, instead of the target's; only asked with --experiment")
    add("--experiment", default="", help=f"slug of an experiment in MPIC (default: the built-in {EXPERIMENT!r})")
    add("--wiki-url", default="", help="address of the wiki, instead of the target's")
    add("--instrument", default="", help="slug of the instrument in MPIC (default: the experiment's)")
    add("--generation", default="alpha", choices=["alpha", "xlab"], help="which release of the platform")
    add("--wiki", default="testwiki", help="database name of the wiki")


def _add_arrivals(add: Add) -> None:
    add("--seed", type=int, default=1, help="the same seed and epoch make the same events")
    add("--visitors", type=int, default=20_000, help="how many subjects visit")
    add("--arrival-rate", default="200/s", help="visits that begin, like 500/s or 30/min; their events follow")
    add("--event-rate", default="", help="instead of visits: single events, like 100/s, for as long as --run-time says")
    add("--shape", default="constant", help=f"how the rate changes over time: {SHAPES_HELP}")
    add("--pace", default="constant", choices=["constant", "poisson"], help="how arrivals follow each other")
    add("--time-scale", type=float, default=1.0, help="dwell times and pauses are divided by this")
    add("--epoch", type=int, default=0, help="milliseconds since 1970 from which events' dt counts (default: now)")


def _add_events(add: Add) -> None:
    add("--connections", type=int, default=1000, help="the most connections of a worker")
    add("--aa", action="store_true", help="an A/A run: every group clicks alike")
    add("--hasty", action="store_true", help="send as browsers do: 202 before validation")
    add("--batch", type=int, default=1, help="the most events in one request")
