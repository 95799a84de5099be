"""The environment of child processes: variables that programs need to run, and only the secrets they are given."""

import os
from collections.abc import Mapping

#: Names, and prefixes of names, of variables that any program may need.
_NAMES = frozenset(
    {
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "COLUMNS", "LINES", "LANG", "LANGUAGE", "TZ", "TMPDIR",
        "TEMP", "TMP", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "CI", "NO_COLOR", "DISPLAY", "DOGFOOD_CACHE",
        "TESTBED_SERVICE", "TESTBED_FOLDER", "SSL_CERT_FILE", "SSL_CERT_DIR",
    }
)  # fmt: skip
_PREFIXES = (
    "LC_", "XDG_", "PYTHON", "COVERAGE_", "COV_CORE_", "JAVA_", "MAVEN_", "PHP", "MW_", "DOGFOOD_WIKI", "MALLOC_",
    "OMP_", "OPENBLAS_", "PLAYWRIGHT_", "SPARK_", "PYSPARK_", "HADOOP_",
)  # fmt: skip


def child_environment(
    *secrets: str, environment: Mapping[str, str] = os.environ, extra: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the environment of a child process: variables of an allow-list, *secrets* and *extra*.

    Args:
        secrets: names of further variables that the process needs, such as `DOGFOOD_PASSWORD`, or prefixes that end
            with an underscore, such as `OTEL_`. Names that are not set are ignored.
        environment: the variables to select from.
        extra: variables to set.
    """
    names = _NAMES | set(secrets)
    prefixes = (*_PREFIXES, *(name for name in secrets if name.endswith("_")))
    allowed = {name: value for name, value in environment.items() if name in names or name.startswith(prefixes)}
    return {**allowed, **(extra or {})}
