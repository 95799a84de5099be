"""The releases of the platform that the kit knows."""

from enum import StrEnum


class Generation(StrEnum):
    """A release of the platform, which decides hash, ids, config shape, schema and event shape."""

    ALPHA = "alpha"
    XLAB = "xlab"
