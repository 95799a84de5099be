"""`python -m testbed.intake`: the intake as a process."""

import argparse
from pathlib import Path

from contracts.schemas import SchemaRegistry
from contracts.streams import DATA_CENTRES, ERROR_STREAM, topics
from testbed.http_server import bind, guarded, serve
from testbed.intake.app import Intake
from testbed.intake.eventgate import EventGate, fill
from testbed.intake.intake_faults import IntakeParts, inject
from testbed.intake.stream_configs import StreamConfigFile
from testbed.stream.options import add_stream_options
from testbed.stream.segments import Producer, SegmentProducer, SegmentWriter

STREAM_CONFIGS = Path(__file__).resolve().parent.parent / "stream_configs.json"


def main() -> None:
    """Read the options and serve until the process is stopped."""
    parser = argparse.ArgumentParser(prog="python -m testbed.intake", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8192)
    add_stream_options(parser)
    parser.add_argument("--stream-configs", type=Path, default=STREAM_CONFIGS)
    parser.add_argument("--data-centre", default="eqiad", choices=DATA_CENTRES)
    parser.add_argument("--acknowledged-within", type=float, default=10.0, metavar="SECONDS",
                        help="time limit for Kafka's acknowledgement; later events are not accepted")  # fmt: skip
    parser.add_argument("--max-body", type=int, default=4 << 20, metavar="BYTES", help="largest accepted body")
    parser.add_argument(
        "--fault", action="append", default=[], help="fault to switch on (python -m testbed.faults); repeatable"
    )
    options = parser.parse_args()
    streams = StreamConfigFile(options.stream_configs)
    listener = bind(options.host, options.port)
    producer = _producer(options, streams)
    parts = inject(IntakeParts(SchemaRegistry(), fill, producer), options.fault)
    gate = EventGate(parts.schemas, streams, parts.producer, options.data_centre, parts.fill)
    serve("intake", parts.wrap(Intake(gate, options.max_body)), listener, http=parts.protocol)
    producer.close()


def _producer(options: argparse.Namespace, streams: StreamConfigFile) -> Producer:
    if not options.kafka:
        return SegmentProducer(SegmentWriter(options.stream_dir))
    from testbed.stream.kafka.producer import KafkaProducer

    producer = KafkaProducer(options.kafka, options.acknowledged_within)
    configs = streams.current().values()
    errors = topics(ERROR_STREAM)
    producer.make_topics([*errors, *(name for config in configs for name in config.topics)])
    return producer


guarded(main)
