"""The testbed that faults are switched on in: a clean one of its own, on free ports."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from common.ports import free_port
from dogfood.testbed_control.seed import accounts_file, seed_wiki
from dogfood.testbed_control.services import Testbed, WikiOptions


@contextmanager
def faulty_testbed(folder: Path, like: Testbed, *, wiki: bool, told: Console) -> Iterator[Testbed]:
    """Run a testbed in *folder* until the block ends.

    Args:
        folder: of its files.
        like: a testbed whose unpacked MediaWiki is used, and whose wiki is copied with its accounts unless it runs.
        wiki: whether the wiki is needed.
        told: where is said what takes long.

    Raises:
        DogfoodError: a service does not come up.
    """
    release = like.folder.resolve() / "mediawiki" / "release"
    options = WikiOptions(mediawiki=release if (release / "index.php").is_file() else None)
    testbed = Testbed(folder / "testbed", options, outlives_command=False)
    names = ("mpic", "intake", "wiki") if wiki else ("mpic", "intake")
    if wiki:
        _copy_wiki(like, testbed)
        if not accounts_file(testbed.wiki_dir).is_file():
            told.print("making a wiki with its accounts, which takes a minute or two")
    try:
        testbed.up({name: free_port() for name in names}, names)
        if wiki:
            seed_wiki(testbed.wiki_dir)
        yield testbed
    finally:
        testbed.down()


def _copy_wiki(like: Testbed, testbed: Testbed) -> None:
    """Copy a furnished wiki that nobody writes to, unless there is one."""
    is_running = any(state.name == "wiki" and state.pid for state in like.status())
    if accounts_file(like.wiki_dir).is_file() and not is_running and not testbed.wiki_dir.exists():
        shutil.copytree(like.wiki_dir, testbed.wiki_dir, ignore=shutil.ignore_patterns("extension-*", "cache"))
        (testbed.wiki_dir / "cache").mkdir()
