"""Options of `dogfood capacity` and `dogfood capacity search`."""

from pathlib import Path

import click

from common.bounded_numbers import MOST_RATE, Count, Duration, Number
from dogfood.commands.capacity.options import load_options
from dogfood.commands.options import RenamedOption, together

EXIT_CODES = (
    "Exit codes: 0 PASS, 1 FAIL (below --require), 2 wrong use, 3 INCONCLUSIVE (also when interrupted), "
    "4 INVALID (the generator or the kit was at fault)."
)

#: Highest rate to try where the target sets no ceiling, in events per second.
_MAX_RATE = 100_000.0

#: The options of a search.
search_options = together(
    load_options,
    click.option("--require", type=Number(0, MOST_RATE, min_open=True), metavar="PER_SECOND",
                 help="Required rate, in events per second."),
    click.option("--duration", type=Duration(2), default="30s", show_default=True,
                 help="Length of a confirming window."),
    click.option("--step", cls=RenamedOption, old="--probe", type=Duration(2), show_default="a third of --duration",
                 help="Length of a step of the search."),
    click.option("--windows", type=Count(1, 20), metavar="NUMBER", default=3, show_default=True,
                 help="Consecutive confirming windows that have to hold."),
    click.option("--start", type=Number(0.5, MOST_RATE), metavar="PER_SECOND",
                 show_default="an eighth of --require, or 25", help="First rate, in events per second."),
    click.option("--max-rate", type=Number(0.5, MOST_RATE), metavar="PER_SECOND", default=_MAX_RATE,
                 show_default=True, help="Highest rate to try, in events per second."),
    click.option("--tolerance", cls=RenamedOption, old="--precision", type=Number(0.001, 0.5), metavar="SHARE",
                 default=0.05, show_default=True, help="Relative distance between held and broken rate to stop at."),
    click.option("--junit", "junit_to", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
                 help="Also write the result as JUnit XML."),
    click.option("--json", "as_json", is_flag=True, help="Print capacity.json."),
)  # fmt: skip
