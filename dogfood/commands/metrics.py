"""`dogfood metrics`: a run for people who watch dashboards."""

import time
from contextlib import ExitStack
from pathlib import Path

import click

from common.bounded_numbers import LONGEST_S, Count, Number
from dogfood.commands.options import RUNS, complete_run
from dogfood.metrics.run_metrics import RunMetrics
from run_record.run_folder import LATEST


@click.command(epilog="Exit codes: 0 until it was ended by Ctrl-C, 2 wrong use.")
@click.argument("name", metavar="[RUN]", default=LATEST, shell_complete=complete_run)
@RUNS
@click.option("--port", type=Count(1, 65535), default=9464, show_default=True, help="Of /metrics.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address that /metrics is served on.")
@click.option("--once", is_flag=True, help="Print the metrics in Prometheus' text format, and serve nothing.")
@click.option("--otel", is_flag=True, help="Send them by OpenTelemetry as well, to $OTEL_EXPORTER_OTLP_ENDPOINT.")
@click.option("--every", type=Number(0.1, 86_400), default=10.0, show_default=True, help="Seconds between sendings.")
@click.option("--for", "seconds", type=Number(0, LONGEST_S), help="End after so many seconds; default: at Ctrl-C.")
def metrics(
    name: str, runs: Path, port: int, host: str, once: bool, otel: bool, every: float, seconds: float | None
) -> None:
    """Serve a RUN (default: always the latest) to Prometheus: offered, answered, lag, delivered, lost, verdict."""
    # Only who asks for metrics needs the optional packages.
    from dogfood.metrics.prometheus import exposition, serve

    watched = RunMetrics(runs, name)
    if once:
        readings = watched.readings()
        click.echo(exposition(lambda: readings), nl=False)
        return
    with ExitStack() as stack:
        server = serve(watched.readings, host, port)
        stack.callback(server.server_close)
        stack.callback(server.shutdown)
        if otel:
            from dogfood.metrics.otel import sending

            stack.enter_context(sending(watched.readings, every))
        click.echo(f"metrics: http://{host}:{port}/metrics")
        _wait(seconds)


def _wait(seconds: float | None) -> None:
    until = None if seconds is None else time.monotonic() + seconds
    try:
        while until is None or time.monotonic() < until:
            time.sleep(0.1 if until is None else max(0.0, min(0.1, until - time.monotonic())))
    except KeyboardInterrupt:
        return
