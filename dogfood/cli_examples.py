"""Examples of each command: shown by `--help` and in docs/reference/cli.md, parsed by a test."""

from collections.abc import Iterator, Mapping

import click

#: Examples by command; a subcommand has its group's name in front.
EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "up": (
        "dogfood up",
        "dogfood up --wiki-port 9080 --mpic-port 9086 --intake-port 9192",
        "dogfood up --only mpic --only intake",
        "dogfood up --stream kafka",
        "dogfood up --fault stale-config",
        "dogfood up --kafka 127.0.0.1:9092",
    ),
    "down": ("dogfood down", "dogfood down --testbed /tmp/another"),
    "status": ("dogfood status", "dogfood status --json"),
    "run": (
        "dogfood run",
        "dogfood run --fidelity browser,wiki,synthetic",
        "dogfood run --generation xlab --seed 7 --hasty",
        "dogfood run --visitors 5000 --batch 50 --workers 2",
        "dogfood run --table hive",
    ),
    "browse": ("dogfood browse --scenario ctr --users 8", "dogfood browse --generation xlab --concurrency 4"),
    "calibrate": ("dogfood calibrate", "dogfood calibrate latest --against captured.ndjson"),
    "ingest": ("dogfood ingest", "dogfood ingest --table hive"),
    "assign": (
        """echo '{"generation":"alpha","user_id":44,"experiment":"dogfood-ctr","groups":["false","true"],"""
        """"rate":0.5}' | dogfood assign""",
    ),
    "events": ("dogfood events latest", "dogfood events --visitors 10 --epoch 1738333800000 --generation xlab"),
    "analyse": (
        "dogfood analyse latest",
        "dogfood analyse latest --ingest",
        "dogfood analyse latest --observed part-0.parquet --observed part-1.parquet",
        "dogfood analyse latest --json --junit checks.xml",
        "dogfood analyse latest --engine spark --table event.product_metrics_web_base --since 2026-11-24T05",
    ),
    "faults": (
        "dogfood faults --list",
        "dogfood faults",
        "dogfood faults loss-by-group modulo",
        "dogfood faults loss-by-group+canary-kept --junit faults.xml",
    ),
    "compare": ("dogfood compare 20261124-044705 latest",),
    "capacity": ("dogfood capacity --target local --require 1000 --slo p99=250ms --slo errors=0.1% --slo lost=0",),
    "capacity search": ("dogfood capacity search --require 500 --duration 10 --junit capacity.xml",),
    "capacity plan": (
        "dogfood capacity plan --pageviews 6000 --logged-in 0.05 --ctr 0.03 --sample-rate 0.1 --stream-limit 1000",
        "dogfood capacity plan --pageviews 6000 --html plan.html",
    ),
    "capacity soak": ("dogfood capacity soak --rate 200 --duration 3600",),
    "capacity spike": ("dogfood capacity spike --rate 200",),
    "checks": ("dogfood checks", "dogfood checks --json"),
    "power": ("dogfood power --loss 0.02 --sample-rate 0.1", "dogfood power --subjects 20000"),
    "watch": (
        "dogfood watch",
        "dogfood watch --filter action=click --filter meta.domain!=canary --for 10s",
        "dogfood watch --stream eventgate-analytics-external.error.validation --from-beginning --json",
        "dogfood watch --srm",
        "dogfood watch latest --once --json",
    ),
    "metrics": ("dogfood metrics", "dogfood metrics latest --once", "dogfood metrics --otel --every 5"),
    "open": ("dogfood open", "dogfood open 20261124-044705 --print"),
    "doctor": (
        "dogfood doctor",
        "dogfood doctor --target targets/beta.toml --accounts ~/beta-accounts.ndjson --wiki enwiki",
        "dogfood doctor --account Dogfood-01 --json",
    ),
    "real": (
        "dogfood real --extensions ~/extensions --intake http://127.0.0.1:8292/v1/events --observed events.ndjson",
        "dogfood real --extensions ~/extensions --generation xlab --json",
    ),
    "completion": (
        "dogfood completion bash > ~/.local/share/bash-completion/completions/dogfood",
        "dogfood completion fish > ~/.config/fish/completions/dogfood.fish",
    ),
    "tickets": ("dogfood tickets", "dogfood tickets --export json"),
}


def every_command(group: click.Group, above: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield each command with its full name, groups before their subcommands."""
    context = click.Context(group)
    for name in sorted(group.list_commands(context)):
        command = group.get_command(context, name)
        if command is None:
            continue
        full_name = f"{above} {name}".strip()
        yield full_name, command
        if isinstance(command, click.Group):
            yield from every_command(command, full_name)


def add_examples(name: str, command: click.Command) -> None:
    """Append the examples of the command *name* to the help of *command*; call it once per command."""
    if lines := EXAMPLES.get(name, ()):
        shown = "\n".join(("\b", "Examples:", *(f"  {line}" for line in lines)))
        command.epilog = "\n\n".join(filter(None, (shown, command.epilog)))
