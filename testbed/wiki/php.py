"""`python -m testbed.wiki.php`: print which PHP there is, or say what it lacks to run TestWiki."""

from testbed.http_server import guarded
from testbed.wiki.installation import check_php, run_php


def main() -> None:
    """Look for PHP and its modules."""
    check_php()
    print(run_php("--version").decode().partition(" (")[0])


if __name__ == "__main__":
    guarded(main)
