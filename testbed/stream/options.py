"""Where the stream is, as the testbed's commands are told: a folder of segments, or Kafka."""

import argparse
from functools import partial
from pathlib import Path

from testbed.stream.segments import OpenTopic, SegmentReader


def add_stream_options(parser: argparse.ArgumentParser) -> None:
    """Add `--stream-dir` and `--kafka`, of which one has to be given."""
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--stream-dir", type=Path, help="folder of the stream's segment files")
    where.add_argument("--kafka", metavar="HOST:PORT", help="bootstrap servers of Kafka, with commas")


def open_topic(options: argparse.Namespace) -> OpenTopic:
    """Return what opens topics where *options* say. Raises DogfoodError when Kafka's client is not installed."""
    if not options.kafka:
        return partial(SegmentReader, options.stream_dir)
    from contracts.kafka import KafkaReader

    return partial(KafkaReader, options.kafka)
