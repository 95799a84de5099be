"""`dogfood metrics`: the progress and verdict of a run for Prometheus and OpenTelemetry."""

import time
from contextlib import ExitStack
from pathlib import Path

import click

from common.bounded_numbers import LONGEST_S, Count, Number
from dogfood.commands.options import RUNS, complete_run
from dogfood.metrics.run_metrics import RunMetrics
from run_record.run_folder import LATEST


@click.command(epilog="Exit codes: 0 ended by Ctrl-C or --for, 2 wrong use.")
@click.argument("name", metavar="[RUN]", default=LATEST, shell_complete=complete_run)
@RUNS
@click.option("--port", type=Count(1, 65535), metavar="PORT", default=9464, show_default=True, help="Port of /metrics.")
@click.option("--host", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--once", is_flag=True, help="Print the metrics in Prometheus' text format instead of serving them.")
@click.option("--otel", is_flag=True, help="Also send them by OpenTelemetry, to $OTEL_EXPORTER_OTLP_ENDPOINT.")
@click.option("--every", type=Number(0.1, 86_400), metavar="SECONDS", default=10.0, show_default=True,
              help="Time between exports by OpenTelemetry.")  # fmt: skip
@click.option("--for", "seconds", type=Number(0, LONGEST_S), metavar="SECONDS", show_default="until Ctrl-C",
              help="Time after which to end.")  # fmt: skip
def metrics(
    name: str, runs: Path, port: int, host: str, once: bool, otel: bool, every: float, seconds: float | None
) -> None:
    """Serve a RUN (default: always the latest) to Prometheus: offered, answered, lag, delivered, lost, verdict."""
    # Imported here: the packages are optional.
    from dogfood.metrics.prometheus import exposition, serve

    run_metrics = RunMetrics(runs, name)
    if once:
        samples = run_metrics.samples()
        click.echo(exposition(lambda: samples), nl=False)
        return
    with ExitStack() as stack:
        server = serve(run_metrics.samples, host, port)
        stack.callback(server.server_close)
        stack.callback(server.shutdown)
        if otel:
            from dogfood.metrics.otel import sending

            stack.enter_context(sending(run_metrics.samples, every))
        click.echo(f"metrics: http://{host}:{port}/metrics")
        _wait(seconds)


def _wait(seconds: float | None) -> None:
    until = None if seconds is None else time.monotonic() + seconds
    try:
        while until is None or time.monotonic() < until:
            time.sleep(0.1 if until is None else max(0.0, min(0.1, until - time.monotonic())))
    except KeyboardInterrupt:
        return
