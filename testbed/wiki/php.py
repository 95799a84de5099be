"""`python -m testbed.wiki.php`: print the version of PHP, or the modules that TestWiki needs and PHP lacks."""

from testbed.http_server import guarded
from testbed.wiki.installation import check_php, run_php


def main() -> None:
    """Check PHP and its modules."""
    check_php()
    print(run_php("--version").decode().partition(" (")[0])


if __name__ == "__main__":
    guarded(main)
