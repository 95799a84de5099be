"""`python -m dogfood.cli_reference > docs/reference/cli.md`: the command line as a page, from the commands themselves.

Options, help, defaults and examples are each written in one place, and a test compares the page with them.
"""

import re
from argparse import SUPPRESS, Namespace
from collections.abc import Iterable, Iterator
from typing import Self

import click

from dogfood.cli import cli
from dogfood.command_examples import EXAMPLES, every_command
from traffic.locust_run.arguments import add_options
from traffic.wiki_sessions.options import add_wiki_options

#: A list of choices with more characters does not fit into the column of the options' names.
_NARROW = 40

_HEAD = """# The command line

Made by `make reference` from the commands themselves; a test fails when it is not up to date. `dogfood COMMAND --help`
says the same.

The shell can complete commands, options and names of runs: `dogfood completion bash` (or `zsh`, `fish`) prints the
script, and its help says where it goes.

Exit codes, unless a command says otherwise: **0** GO · **1** NO-GO · **2** wrong use · **3** INCONCLUSIVE · **4**
INVALID.

| variable of the environment | is |
|---|---|
| `DOGFOOD_TESTBED`, `DOGFOOD_RUNS` | the options `--testbed` and `--runs` of every command |
| `DOGFOOD_KAFKA` | the option `--kafka` of `dogfood up` |
| `DOGFOOD_PASSWORD`, `DOGFOOD_KEYRING` | credentials, kept outside of the repository: [targets](targets.md) |
| `DOGFOOD_STATE` | folder of the budgets of targets; default in `~/.local/state`: [targets](targets.md) |
| `DOGFOOD_CACHE` | where the jars of Kafka and Spark are kept once they were fetched |
| `OTEL_EXPORTER_OTLP_ENDPOINT` and the like | where OpenTelemetry sends: [metrics](metrics.md) |
| `PHABRICATOR_TOKEN` | for `dogfood tickets --create`; never on the command line |"""

_LOCUST_HEAD = """## Locustfiles

`locust -f locustfiles/ctr.py` and `locustfiles/wiki.py` have Locust's own options and these; in Locust's web page they
are in the form that starts a test, but for `--run`."""


class _Options:
    """Stands for Locust's parser: remembers the options that are added to it."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str]] = []

    def add_argument_group(self, _: str) -> Self:
        return self

    def add_argument(self, *names: str, **settings: object) -> Namespace:
        if settings["help"] == SUPPRESS:
            return Namespace()
        choices = settings.get("choices")
        chosen = f" {{{'|'.join(map(str, choices))}}}" if isinstance(choices, list) else ""
        self.rows.append((f"`{', '.join(names)}{chosen}`", str(settings["help"])))
        # Marks of Locust's web page are set on it.
        return Namespace()


def reference() -> str:
    """Return the page."""
    parts = [_HEAD]
    for name, command in every_command(cli):
        parts += _command(name, command)
    parts.append(_LOCUST_HEAD)
    for title, add in (("`ctr.py` and `wiki.py`", add_options), ("`wiki.py` only", add_wiki_options)):
        options = _Options()
        add(options)  # type: ignore[arg-type]  # what is used of Locust's parser is there
        parts += [f"### {title}", _table(options.rows)]
    return "\n\n".join(parts) + "\n"


def _command(name: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=f"dogfood {name}")
    yield f"## dogfood {name}"
    yield " ".join((command.help or "").split())
    yield f"```text\n{' '.join(command.get_usage(context).removeprefix('Usage:').split())}\n```"
    if rows := list(_rows(context, command)):
        yield _table(rows)
    if lines := EXAMPLES.get(name):
        yield "\n".join(("```sh", *lines, "```"))
    if codes := re.search(r"Exit codes: (.*)", command.epilog or "", flags=re.DOTALL):
        yield f"Exit codes: {' '.join(codes[1].split())}"


def _rows(context: click.Context, command: click.Command) -> Iterator[tuple[str, str]]:
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            record = parameter.get_help_record(context)
            if record is not None:
                yield f"`{_name(record[0])}`", record[1] + _choices(parameter)


def _name(name: str) -> str:
    """Return an option's *name* with its choices; a long list is left to the other column."""
    return re.sub(r"\[([^]]+)]", lambda listed: "NAME" if len(listed[0]) > _NARROW else listed[0], name)


def _choices(option: click.Option) -> str:
    """Return a sentence with the choices of *option* where its name has no room for them."""
    listed = option.type.choices if isinstance(option.type, click.Choice) else ()
    return f" One of: {', '.join(map(str, listed))}." if len("|".join(map(str, listed))) + 2 > _NARROW else ""


def _table(rows: Iterable[tuple[str, str]]) -> str:
    # Renderers differ on an escaped pipe in code.
    lines = [f"| {name.replace('|', ', ')} | {' '.join(told.split()).replace('|', chr(92) + '|')} |"
             for name, told in rows]  # fmt: skip
    return "\n".join(("| option | |", "|---|---|", *lines))


if __name__ == "__main__":
    print(reference(), end="")
