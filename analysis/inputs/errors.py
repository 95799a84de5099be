"""Error for observed files that cannot be analysed."""

from common.errors import DogfoodError


class InputError(DogfoodError):
    """An observed file is missing, damaged, of an unsupported format, or holds no events of this platform."""

    page = "docs/reference/inputs.md"
