"""Options that the locustfiles add to Locust's command line and to its web page's form."""

from argparse import SUPPRESS
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from personas.example_experiment import EXPERIMENT
from personas.pacing import SHAPES_HELP

if TYPE_CHECKING:
    # Importing Locust replaces the standard library's sockets: only its own processes may do that.
    from locust.argument_parser import LocustArgumentParser

#: Adds one option, as `add_argument` does; `include_in_web_ui=False` leaves it out of the web page's form.
Add = Callable[..., None]


def option_group(parser: "LocustArgumentParser", title: str) -> Add:
    """Return a function that adds options to a new group of *parser*, for `--help` and the web page's form.

    A group's `add_argument` does not set the attributes by which Locust selects the options of its form. Locust's help
    has no defaults, so they are appended to the text.
    """
    group = parser.add_argument_group(title)

    def add(*names: str, include_in_web_ui: bool = True, **keywords: Any) -> None:  # noqa: ANN401 (argparse's)
        default = keywords.get("default")
        if default not in ("", None, False, SUPPRESS):
            keywords["help"] += f" [default: {default}]"
        action = group.add_argument(*names, **keywords)
        action.include_in_web_ui = include_in_web_ui
        action.is_secret = action.is_required = action.is_multiple = False

    return add


def add_options(parser: "LocustArgumentParser") -> None:
    """Add the options of every locustfile."""
    add = option_group(parser, "dogfooding")
    _add_run(add)
    _add_systems(add)
    _add_arrivals(add)
    _add_events(add)


def _add_run(add: Add) -> None:
    # The web page creates a run for each test, so its form has no field for an existing one.
    add(
        "--run", default="", metavar="FOLDER", include_in_web_ui=False,
        help="Run folder set up by `dogfood run`; replaces all other options.",
    )  # fmt: skip
    add("--runs", default="runs", metavar="FOLDER", help="Parent folder of a new run.")
    add("--target", default="local", metavar="NAME", help="Name of a file in targets/, or a path to one.")
    add("--confirm", default="", metavar="NAME", help="Repeat the target's name; required for production.")


def _add_systems(add: Add) -> None:
    add("--intake", default="", metavar="URL", help="Intake, on a host that the target allows. [default: the target's]")
    add("--mpic", default="", metavar="URL", help="MPIC; used with --experiment only. [default: the target's]")
    add("--experiment", default="", metavar="SLUG", help=f"Experiment in MPIC. [default: the built-in {EXPERIMENT!r}]")
    add("--wiki-url", default="", metavar="URL", help="Wiki. [default: the target's]")
    add("--instrument", default="", metavar="SLUG", help="Instrument in MPIC. [default: the experiment's]")
    add("--generation", default="alpha", choices=["alpha", "xlab"], help="Release of the platform.")
    add("--wiki", default="testwiki", metavar="DATABASE", help="Database name of the wiki.")


def _add_arrivals(add: Add) -> None:
    add("--seed", type=int, default=1, metavar="N", help="Random seed; the same seed and epoch give the same events.")
    add("--visitors", type=int, default=20_000, metavar="N", help="Number of subjects that visit.")
    add("--arrival-rate", default="200/s", metavar="RATE", help="Rate of new visits, like 500/s or 30/min.")
    add("--event-rate", default="", metavar="RATE",
        help="Rate of single events, like 100/s, instead of visits; --run-time sets their duration.")  # fmt: skip
    add("--shape", default="constant", metavar="SHAPE", help=f"Shape of the rate over time: {SHAPES_HELP}.")
    add("--pace", default="constant", choices=["constant", "poisson"], help="Distribution of the intervals.")
    add("--time-scale", type=float, default=1.0, metavar="FACTOR", help="Divisor of dwell times and pauses.")
    add("--epoch", type=int, default=0, metavar="MS",
        help="Start of the events' dt, milliseconds since 1970. [default: now]")  # fmt: skip


def _add_events(add: Add) -> None:
    add("--max-connections", type=int, default=1000, metavar="N", help="Maximum concurrent requests per worker.")
    # The option's old name.
    add("--connections", dest="max_connections", type=int, default=SUPPRESS, help=SUPPRESS, include_in_web_ui=False)
    add("--aa", action="store_true", help="Run an A/A test: the groups do not differ.")
    add("--hasty", action="store_true", help="Send as browsers do: 202 before validation.")
    add("--batch", type=int, default=1, metavar="N", help="Maximum events per request.")
