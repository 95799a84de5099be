"""Options that decide which events a run sends."""

import click

from common.bounded_numbers import LAST_MS, MOST_RATE, Count, Number
from contracts.generation import Generation
from dogfood.commands.options import together

#: The options that decide which events a run sends.
traffic_options = together(
    click.option("--generation", type=click.Choice([str(item) for item in Generation]),
                 default=str(Generation.ALPHA), show_default=True, callback=lambda *values: Generation(values[-1]),
                 help="Release of the platform: assignment, schema, event fields."),
    click.option("--seed", type=Count(0, 2**63 - 1), metavar="NUMBER", default=1, show_default=True,
                 help="Seed; the same seed and epoch give the same events."),
    click.option("--visitors", type=Count(1), metavar="NUMBER", default=20_000, show_default=True,
                 help="Synthetic subjects."),
    click.option("--arrival-rate", type=Number(0.001, MOST_RATE), metavar="PER_SECOND", default=300.0,
                 show_default=True, help="Visits that begin per second."),
    click.option("--time-scale", type=Number(1, 1_000_000), metavar="FACTOR", default=2000.0, show_default=True,
                 help="Divide dwell times and pauses by this factor."),
    click.option("--epoch", type=Count(0, LAST_MS), metavar="MS", default=0, show_default="now",
                 help="Start of the first visit, in milliseconds since 1970."),
    click.option("--wiki", metavar="DATABASE", default="testwiki", show_default=True,
                 help="Database name of the wiki; selects the sample rate."),
    click.option("--aa", is_flag=True, help="A/A run: every group clicks at the same rate."),
)  # fmt: skip
