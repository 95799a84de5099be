"""Finds or downloads MediaWiki: an unpacked release, this machine's Debian package, or that of a newer Debian.

Nothing is installed: the package is downloaded and unpacked into a folder. Debian 12 has MediaWiki 1.39, whose skin has
no pinnable main menu; Debian 13's package is 1.43 and runs on Debian 12's PHP. To download it without a change to the
machine's apt, a private apt root has the machine's sources with the newer suite's name.
"""

import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from common.errors import DogfoodError
from common.parent_death import end_with_parent

#: Oldest release that has everything the instrument needs, and the Debian suite that contains it.
OLDEST = (1, 43)
SUITE = "trixie"

_PACKAGES = ("mediawiki", "mediawiki-classes")
_SOURCES = (Path("/etc/apt/sources.list"), Path("/etc/apt/sources.list.d"))
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_VERSION = re.compile(r"define\(\s*'MW_VERSION',\s*'(\d+)\.(\d+)[^']*'\s*\)")
_MIRROR = re.compile(r"https?://[^\s\]]+/debian(?:-security)?/?(?=\s|$)")


class ReleaseError(DogfoodError):
    """MediaWiki is missing and cannot be downloaded, or is too old."""

    page = "docs/guide/local-testwiki.md"


def find_release(folder: Path, given: Path | None = None) -> Path:
    """Return the root of an unpacked MediaWiki, 1.43 or newer.

    Args:
        folder: folder for a downloaded release, which later calls use again.
        given: unpacked release to use instead; it is not modified.

    Raises:
        ReleaseError: *given* is not such a release, or the download fails.
    """
    if given is not None:
        return _checked(given.resolve())
    root = folder.resolve() / "release"
    if not (root / "index.php").is_file():
        _fetch(root)
    return _checked(root)


def mirrors(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the URLs of Debian's archives in the *texts* of apt sources, each once, in order.

    Raises:
        ReleaseError: the sources name no archive of Debian.
    """
    lines = [line.split("#")[0] for text in texts for line in text.splitlines()]
    urls = (match.rstrip("/") for line in lines for match in _MIRROR.findall(line))
    archives = tuple(dict.fromkeys(urls))
    if not archives:
        raise ReleaseError(
            "this machine's apt sources name no archive of Debian: "
            "unpack a release of MediaWiki 1.43 and name it with --mediawiki"
        )
    return archives


def suite_sources(archives: Sequence[str], suite: str = SUITE) -> str:
    """Return the text of apt sources for *suite* in the *archives*."""
    options = f"[signed-by={_KEYRING}]"
    names = {address: f"{suite}-security" if address.endswith("-security") else suite for address in archives}
    return "".join(f"deb {options} {address} {name} main\n" for address, name in names.items())


def _checked(root: Path) -> Path:
    try:
        match = _VERSION.search((root / "includes" / "Defines.php").read_text(encoding="utf-8"))
    except OSError:
        match = None
    if match is None:
        raise ReleaseError(f"{root} is not MediaWiki: name an unpacked release, with includes/Defines.php")
    version = (int(match[1]), int(match[2]))
    if version < OLDEST:
        raise ReleaseError(f"{root} is MediaWiki {match[1]}.{match[2]}; 1.43 or newer is needed")
    return root


def _fetch(root: Path) -> None:
    root.parent.mkdir(parents=True, exist_ok=True)
    # In the same file system, so that the last step is a rename and an incomplete release is never used.
    with TemporaryDirectory(dir=root.parent, prefix=".fetching-") as name:
        work = Path(name)
        try:
            options = () if _own_is_new_enough() else _private_root(work)
            _run("apt-get", *options, "download", *_PACKAGES, cwd=work)
            for package in sorted(work.glob("*.deb")):
                _run("dpkg-deb", "--extract", str(package), str(work / "tree"), cwd=work)
        except (OSError, subprocess.SubprocessError) as error:
            message = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
            raise ReleaseError(
                f"apt cannot download MediaWiki 1.43 ({message[-1] if message else error}): "
                f"unpack a release and name it with --mediawiki"
            ) from error
        tree = work / "tree" / "usr" / "share" / "mediawiki"
        for path in tree.iterdir():
            # The package has symbolic links to settings and data in /etc and /var, which the testbed does not use.
            if path.is_symlink():
                path.unlink()
        tree.rename(root)


def _own_is_new_enough() -> bool:
    output = _run("apt-cache", "policy", "mediawiki")
    candidate = re.search(r"Candidate: (?:\d+:)?(\d+)\.(\d+)", output)
    return candidate is not None and (int(candidate[1]), int(candidate[2])) >= OLDEST


def _private_root(work: Path) -> tuple[str, ...]:
    """Create an apt root under *work* with the newer suite; return the options that select it."""
    paths = [path for source in _SOURCES for path in (sorted(source.glob("*")) if source.is_dir() else [source])]
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in paths if path.is_file()]
    (work / "lists" / "partial").mkdir(parents=True)
    (work / "cache" / "archives" / "partial").mkdir(parents=True)
    (work / "sources.list").write_text(suite_sources(mirrors(texts)), encoding="utf-8")
    settings = {
        "Dir::Etc::SourceList": work / "sources.list",
        "Dir::Etc::SourceParts": "-",
        "Dir::State::Lists": work / "lists",
        "Dir::Cache": work / "cache",
        "Acquire::Languages": "none",
        # apt's user may not have access to a folder of the testbed's user.
        "APT::Sandbox::User": "root",
    }
    options = tuple(word for name, value in settings.items() for word in ("-o", f"{name}={value}"))
    _run("apt-get", *options, "update", cwd=work)
    return options


def _run(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(end_with_parent(command), cwd=cwd, capture_output=True, text=True, check=True, timeout=300)
    return done.stdout
