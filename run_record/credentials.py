"""Passwords of test accounts that are kept outside the repository and outside runs.

From the environment, `DOGFOOD_PASSWORD`, when all accounts have the same one; else from a keyring: a TOML file, which
`DOGFOOD_KEYRING` names (default `~/.config/dogfood/keyring.toml`), with a table `passwords` of account names.
"""

import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path

from common.errors import DogfoodError

PASSWORD, KEYRING = "DOGFOOD_PASSWORD", "DOGFOOD_KEYRING"  # names of variables

_DEFAULT = Path("~/.config/dogfood/keyring.toml")
_REPOSITORY = Path(__file__).resolve().parent.parent


class CredentialsError(DogfoodError):
    """There is no password for an account, or the keyring cannot be trusted. The message never holds a password."""


class Credentials:
    """Tells passwords.

    Args:
        environment: variables of the process.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._common = environment.get(PASSWORD, "")
        self._path = Path(environment.get(KEYRING, "") or _DEFAULT).expanduser()
        self._known: Mapping[str, object] | None = None

    def password(self, account: str) -> str:
        """Return the password of *account*.

        Raises:
            CredentialsError: there is none, or the keyring is inside the repository, readable by others, or no TOML.
        """
        if self._common:
            return self._common
        if self._known is None:
            self._known = _read(self._path)
        found = self._known.get(account)
        if not isinstance(found, str) or not found:
            raise CredentialsError(
                f"there is no password for {account!r}: set {PASSWORD}, or add it to [passwords] in {self._path}"
            )
        return found


def _read(path: Path) -> Mapping[str, object]:
    try:
        real = path.resolve(strict=True)
        mode = real.stat().st_mode
        content = tomllib.loads(real.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        # Not with the parser's own words: they may repeat a line of the file.
        raise CredentialsError(f"the keyring {path} cannot be read as TOML") from None
    if real.is_relative_to(_REPOSITORY):
        raise CredentialsError(f"the keyring {path} is inside the repository: keep it elsewhere")
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise CredentialsError(f"the keyring {path} can be read by others: chmod 600 {path}")
    passwords = content.get("passwords", {})
    return passwords if isinstance(passwords, dict) else {}
