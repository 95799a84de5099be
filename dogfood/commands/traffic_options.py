"""The options that decide which events are made; several commands have them."""

import click

from common.bounded_numbers import LAST_MS, MOST_RATE, Count, Number
from contracts.assignment import Generation
from dogfood.commands.options import together

#: The options that decide which events are made.
traffic_options = together(
    click.option("--generation", type=click.Choice([str(item) for item in Generation]),
                 default=str(Generation.ALPHA), callback=lambda *found: Generation(found[-1]),
                 help="Release of the platform: assignment, schema, shapes."),
    click.option("--seed", type=Count(0, 2**63 - 1), default=1, show_default=True,
                 help="The same seed and epoch make the same events."),
    click.option("--visitors", type=Count(1), default=20_000, show_default=True, help="Subjects."),
    click.option("--arrival-rate", type=Number(0.001, MOST_RATE), default=300.0, show_default=True,
                 help="Visits that begin a second."),
    click.option("--time-scale", type=Number(1, 1_000_000), default=2000.0, show_default=True,
                 help="Dwell times and pauses are divided by this."),
    click.option("--epoch", type=Count(0, LAST_MS), default=0, help="Milliseconds since 1970; default: now."),
    click.option("--wiki", default="testwiki", show_default=True,
                 help="Database name; selects the sample rate."),
    click.option("--aa", is_flag=True, help="An A/A run: every group clicks alike."),
)  # fmt: skip
