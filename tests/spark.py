"""One Spark session for all tests; in CI, Java and pyspark are required."""

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def need_spark() -> None:
    """Skip the test when pyspark or Java is missing; in CI, fail."""
    missing = [] if importlib.util.find_spec("pyspark") else ["pyspark (requirements/spark.txt)"]
    missing += [] if shutil.which("java") else ["Java 17 (Debian: default-jre-headless)"]
    if missing and os.environ.get("CI"):
        pytest.fail(f"missing: {', '.join(missing)}")
    if missing:
        pytest.skip(f"missing: {', '.join(missing)}")


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[SparkSession]":
    need_spark()
    from contracts.spark_session import SessionOptions, open_session

    folder: Path = tmp_path_factory.mktemp("spark")
    session = open_session(SessionOptions(folder, short=True), "tests")
    yield session
    session.stop()
