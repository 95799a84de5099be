"""`dogfood capacity`: the group of its subcommands; without one, a search."""

import click
from click.core import ParameterSource

from dogfood.commands.capacity.search_options import EXIT_CODES, search_options
from dogfood.commands.lazy_group import LazyGroup

_SUBCOMMANDS = {
    "plan": "capacity.plan:plan",
    "search": "capacity.search:search",
    "soak": "capacity.soak:soak",
    "spike": "capacity.spike:spike",
}


@click.group(cls=LazyGroup, modules=_SUBCOMMANDS, prefix="capacity ", invoke_without_command=True, epilog=EXIT_CODES)
@search_options
@click.pass_context
def capacity(context: click.Context, /, **options: object) -> None:
    """Find the highest sustained rate and compare it with --require; without a subcommand, `search`."""
    given = [name for name in options if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if context.invoked_subcommand is None:
        # Imported here, as the subcommands are: it takes seconds.
        from dogfood.commands.capacity.search import search

        context.invoke(search, **options)
    elif given:
        raise click.UsageError(f"options belong after the subcommand: dogfood capacity {context.invoked_subcommand} …")
