"""An installation of TestWiki: folder, settings and database."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from common.atomic_write import atomic_write
from common.errors import DogfoodError
from common.parent_death import end_with_parent
from contracts.profiles import PROFILES
from testbed.wiki.wiki_faults import extension_with

HERE = Path(__file__).resolve().parent

#: Database name of the wiki: it selects the sample rates of experiments and instruments.
DATABASE = "testwiki"

#: Account of the wiki's operator.
OPERATOR = "Operator"

#: The testbed's extension.
OWN_EXTENSION = "ExperimentPlatform"

#: The real extensions, in loading order.
REAL_EXTENSIONS = ("EventBus", "EventStreamConfig", "EventLogging", "MetricsPlatform", "WikimediaEvents")

#: Instrument of the control that unpins the main menu, as in the first production test.
INSTRUMENT = {
    "experiment": "dogfood-ctr",
    "instrument": "dogfood-ctr",
    "stream": "product_metrics.web_base",
    "selector": '[data-pinnable-element-id="vector-main-menu"] .vector-pinnable-header-unpin-button',
    "element": "pinnable-header.vector-main-menu.unpin",
}

#: Settings that may change while the wiki runs, with their defaults. In production, MPIC's responses are cached for a
#: minute and events wait for half a minute; the testbed uses shorter times because a person waits.
CHANGEABLE: Mapping[str, object] = {
    "generation": "alpha",
    "configs_ttl_s": 2,
    "linger_s": 1,
    "streams": {},
    "instruments": [INSTRUMENT],
    "mpic": "",
    "intake": "",
    "faults": [],
}

_NEEDED = ("json", "mbstring", "intl", "xml", "pdo_sqlite", "curl")
_PACKAGES = "php-cli php-sqlite3 php-mbstring php-xml php-intl php-curl php-apcu"
_INSTALL_WITHIN_S = 120


class WikiError(DogfoodError):
    """The wiki cannot be installed or served: PHP, a module or an extension is missing, or a script failed."""

    page = "docs/guide/local-testwiki.md"


@dataclass(frozen=True)
class Installation:
    """A wiki in *folder*, based on the unpacked *release*, which is shared and read-only."""

    folder: Path
    release: Path

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables with which PHP finds this installation."""
        return {
            **os.environ,
            "MW_CONFIG_FILE": str(HERE / "LocalSettings.php"),
            "DOGFOOD_WIKI": str(self.folder),
            "DOGFOOD_WIKI_RELEASE": str(self.release),
        }

    def install(self) -> None:
        """Create the database unless it exists. Raises WikiError."""
        if (self.folder / "data" / f"{DATABASE}.sqlite").is_file():
            return
        draft = self.folder / "installing"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        run_php(
            str(self.release / "maintenance" / "run.php"), "install", "--quiet", "--dbtype", "sqlite",
            "--dbname", DATABASE, "--dbpath", str(draft / "data"), "--confpath", str(draft), "--scriptpath", "",
            "--server", "http://127.0.0.1", "--pass", secrets.token_urlsafe(24), "TestWiki", OPERATOR,
        )  # fmt: skip
        for name in ("cache", "images"):
            (self.folder / name).mkdir(exist_ok=True)
        shutil.rmtree(self.folder / "data", ignore_errors=True)
        (draft / "data").rename(self.folder / "data")
        shutil.rmtree(draft)

    def configure(self, settings: Mapping[str, object]) -> None:
        """Write the settings that LocalSettings.php reads, atomically; an existing secret is kept."""
        path = self.folder / "settings.json"
        stored = orjson.loads(path.read_bytes()) if path.is_file() else {}
        secret = stored.get("secret") or secrets.token_hex(32)
        profiles = {str(generation): profile.as_json() for generation, profile in PROFILES.items()}
        fixed = {"database": DATABASE, "secret": secret, "profiles": profiles}
        content = {**CHANGEABLE, **stored, **fixed, **settings}
        content["extensions"] = with_faults(content.get("extensions", {}), content["faults"], self.folder)
        atomic_write(path, orjson.dumps(content, option=orjson.OPT_INDENT_2), mode=0o600)

    def seed(self, rows: bytes) -> bytes:
        """Create the pages and accounts in *rows* (NDJSON); return NDJSON of the accounts' ids. Raises WikiError."""
        script = (str(self.release / "maintenance" / "run.php"), str(HERE / "seed.php"))
        # Without extensions: a real one may need a later MediaWiki when a page or an account is saved.
        environment = {**self.environment, "DOGFOOD_WIKI_SEEDING": "1"}
        return run_php(*script, environment=environment, stdin=rows, within_s=600)


def with_faults(extensions: Mapping[str, str], faults: Sequence[str], folder: Path) -> dict[str, str]:
    """Return the folders of *extensions*, with a copy under *folder* that has the wiki's *faults*.

    Raises:
        WikiError: there are faults, but the extensions are the real ones.
    """
    if OWN_EXTENSION not in extensions:
        if faults:
            raise WikiError("the wiki's faults need the testbed's extension: omit --extensions")
        return dict(extensions)
    return {**extensions, OWN_EXTENSION: str(extension_with(HERE / "extension", faults, folder))}


def find_extensions(folder: Path | None) -> dict[str, str]:
    """Return the folders of the extensions to load, by name: the testbed's, or the real ones under *folder*.

    Raises:
        WikiError: a real extension is missing.
    """
    if folder is None:
        return {OWN_EXTENSION: str(HERE / "extension")}
    missing = [name for name in REAL_EXTENSIONS if not (folder / name / "extension.json").is_file()]
    if missing:
        raise WikiError(f"{folder} lacks {', '.join(missing)}: it must contain clones of {', '.join(REAL_EXTENSIONS)}")
    return {name: str((folder / name).resolve()) for name in REAL_EXTENSIONS}


def check_php() -> None:
    """Check that PHP and the modules that MediaWiki needs are installed. Raises WikiError."""
    if shutil.which("php") is None:
        raise WikiError(f"TestWiki needs PHP 8.1 or newer: on Debian, apt-get install {_PACKAGES}")
    loaded = run_php("-m").decode().split()
    if missing := [name for name in _NEEDED if name not in loaded]:
        raise WikiError(f"PHP lacks {', '.join(missing)}: on Debian, apt-get install {_PACKAGES}")


def run_php(
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    within_s: float = _INSTALL_WITHIN_S,
) -> bytes:
    """Run PHP and return its output. Raises WikiError with the first line of its message when it fails."""
    try:
        process = subprocess.run(
            end_with_parent(["php", *arguments]),
            input=stdin,
            env=environment,
            capture_output=True,
            check=False,
            timeout=within_s,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WikiError(f"PHP cannot be run: {error}") from error
    if process.returncode:
        output = (process.stderr + b"\n" + process.stdout).decode(errors="replace").strip().splitlines()
        messages = [line for line in output if line and not line.startswith("#")]
        raise WikiError(f"PHP ended with exit code {process.returncode}: {messages[0] if messages else 'no output'}")
    return process.stdout
