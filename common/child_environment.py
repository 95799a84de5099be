"""The environment of a process that the kit starts: what programs need to run, and no secret that was not asked for."""

import os
from collections.abc import Mapping

#: Whole names, and beginnings of names, that any program may need.
_NAMES = frozenset(
    {
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "COLUMNS", "LINES", "LANG", "LANGUAGE", "TZ", "TMPDIR",
        "TEMP", "TMP", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "CI", "NO_COLOR", "DISPLAY", "DOGFOOD_CACHE",
        "TESTBED_SERVICE", "TESTBED_FOLDER", "SSL_CERT_FILE", "SSL_CERT_DIR",
    }
)  # fmt: skip
_BEGINNINGS = (
    "LC_", "XDG_", "PYTHON", "COVERAGE_", "COV_CORE_", "JAVA_", "MAVEN_", "PHP", "MW_", "DOGFOOD_WIKI", "MALLOC_",
    "OMP_", "OPENBLAS_", "PLAYWRIGHT_", "SPARK_", "PYSPARK_", "HADOOP_",
)  # fmt: skip


def child_environment(
    *secrets: str, environment: Mapping[str, str] = os.environ, more: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the variables that a process is started with: those of an allow-list, and what is named here.

    Args:
        secrets: names of further variables that this process needs, such as `DOGFOOD_PASSWORD`, or beginnings that end
            with an underscore, such as `OTEL_`. Nothing happens when one is not set.
        environment: the variables to choose from.
        more: variables to set.
    """
    names = _NAMES | set(secrets)
    beginnings = (*_BEGINNINGS, *(name for name in secrets if name.endswith("_")))
    allowed = {name: value for name, value in environment.items() if name in names or name.startswith(beginnings)}
    return {**allowed, **(more or {})}
