"""The testbed for faults: a separate, clean one on free ports."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from common.ports import free_port
from dogfood.testbed_control.seed import accounts_file, seed_wiki
from dogfood.testbed_control.services import Testbed, WikiOptions


@contextmanager
def faulty_testbed(folder: Path, like: Testbed, *, wiki: bool, console: Console) -> Iterator[Testbed]:
    """Run a testbed in *folder* until the block ends.

    Args:
        folder: folder of its files.
        like: testbed whose unpacked MediaWiki is used; its wiki is copied with the accounts unless it runs.
        wiki: whether to start the wiki.
        console: console for messages about slow steps.

    Raises:
        DogfoodError: a service does not start.
    """
    release = like.folder.resolve() / "mediawiki" / "release"
    options = WikiOptions(mediawiki=release if (release / "index.php").is_file() else None)
    testbed = Testbed(folder / "testbed", options, outlives_command=False)
    names = ("mpic", "intake", "wiki") if wiki else ("mpic", "intake")
    if wiki:
        _copy_wiki(like, testbed)
        if not accounts_file(testbed.wiki_dir).is_file():
            console.print("creating a wiki with its accounts: a minute or two")
    try:
        testbed.up({name: free_port() for name in names}, names)
        if wiki:
            seed_wiki(testbed.wiki_dir)
        yield testbed
    finally:
        testbed.down()


def _copy_wiki(like: Testbed, testbed: Testbed) -> None:
    """Copy the wiki of *like* with its accounts, unless it runs or *testbed* has a wiki."""
    is_running = any(state.name == "wiki" and state.pid for state in like.status())
    if accounts_file(like.wiki_dir).is_file() and not is_running and not testbed.wiki_dir.exists():
        shutil.copytree(like.wiki_dir, testbed.wiki_dir, ignore=shutil.ignore_patterns("extension-*", "cache"))
        (testbed.wiki_dir / "cache").mkdir()
