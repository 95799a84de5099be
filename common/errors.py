"""Errors that users see: each is one line that says what failed, where, and what to do."""


class DogfoodError(Exception):
    """An error that the user can fix. The command line prints it as one line and exits with *exit_code*.

    Attributes:
        exit_code: 2 for wrong use or bad input, 4 when the kit or the generator is at fault.
        page: path of the documentation page that helps, from the root of the repository; empty when no page is needed.
    """

    exit_code: int = 2
    page: str = ""


class KitFaultError(DogfoodError):
    """The kit, the testbed or the load generator failed, so the run proves nothing about the platform (exit code 4)."""

    exit_code = 4
    page = "docs/guide/troubleshooting.md"
