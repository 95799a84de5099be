"""The errors that users see; they are defined in `common.errors`."""

from common.errors import DogfoodError, KitFaultError

__all__ = ["DogfoodError", "KitFaultError"]
