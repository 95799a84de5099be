"""The one family of errors that users meet: a single line that says what, where and what to do."""


class DogfoodError(Exception):
    """Something a user can put right. The command line prints it as one line and exits with *exit_code*.

    Attributes:
        exit_code: 2 for wrong use or bad input, 4 when the kit or the generator is at fault.
        page: of the documentation that helps, from the root of the repository; empty where the line says it all.
    """

    exit_code: int = 2
    page: str = ""


class KitFaultError(DogfoodError):
    """The kit, the testbed or the load generator failed: a run under it proves nothing (exit code 4)."""

    exit_code = 4
    page = "docs/guide/troubleshooting.md"
