"""Command-line options that select the stream: a folder of segments, or Kafka."""

import argparse
from functools import partial
from pathlib import Path

from testbed.stream.segments import OpenTopic, SegmentReader


def add_stream_options(parser: argparse.ArgumentParser) -> None:
    """Add `--stream-dir` and `--kafka`; exactly one of them is required."""
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--stream-dir", type=Path, help="folder of the stream's segment files")
    group.add_argument("--kafka", metavar="HOST:PORT", help="Kafka's bootstrap servers, separated by commas")


def open_topic(options: argparse.Namespace) -> OpenTopic:
    """Return the function that opens topics of the stream. Raises DogfoodError when Kafka's client is not installed."""
    if not options.kafka:
        return partial(SegmentReader, options.stream_dir)
    from contracts.kafka import KafkaReader

    return partial(KafkaReader, options.kafka)
