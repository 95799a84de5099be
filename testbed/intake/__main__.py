"""`python -m testbed.intake`: the intake as a process of its own."""

import argparse
from pathlib import Path

from metrics_platform.schemas import SchemaRegistry
from testbed.intake.app import Intake
from testbed.intake.events import EventGate, fill
from testbed.intake.faults import Parts, spoil
from testbed.intake.stream_configs import StreamConfigFile
from testbed.serving import bind, guarded, serve
from testbed.stream import SegmentWriter

STREAM_CONFIGS = Path(__file__).resolve().parent.parent / "stream_configs.json"


def main() -> None:
    """Read the options and serve until asked to stop."""
    parser = argparse.ArgumentParser(prog="python -m testbed.intake", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8192)
    parser.add_argument("--stream-dir", type=Path, required=True, help="folder of the stream's segment files")
    parser.add_argument("--stream-configs", type=Path, default=STREAM_CONFIGS)
    parser.add_argument("--data-centre", default="eqiad", choices=["eqiad", "codfw"])
    parser.add_argument("--max-body", type=int, default=4 << 20, help="bytes of the largest body")
    parser.add_argument("--fault", action="append", default=[], help="of the catalogue (python -m testbed.faults)")
    options = parser.parse_args()
    writer = SegmentWriter(options.stream_dir)
    parts = spoil(Parts(SchemaRegistry(), fill, writer), options.fault)
    streams = StreamConfigFile(options.stream_configs)
    gate = EventGate(parts.schemas, streams, parts.writer, options.data_centre, parts.fill)
    app = parts.wrap(Intake(gate, options.max_body))
    serve("intake", app, bind(options.host, options.port), http=parts.protocol)
    writer.close()


guarded(main)
