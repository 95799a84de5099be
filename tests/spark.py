"""One Spark session for all tests that need one; Java and pyspark have to be there in CI."""

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
    """Skip what cannot run here, and say what is missing; in CI that is a failure."""
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
