"""Passwords of test accounts, which are kept outside the repository and runs.

They come from the variable `DOGFOOD_PASSWORD` if all accounts have the same one, otherwise from a keyring. That is a
TOML file with a table `passwords` by account name; `DOGFOOD_KEYRING` names it (default
`~/.config/dogfood/keyring.toml`).
"""

import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path

from common.errors import DogfoodError

PASSWORD, KEYRING = "DOGFOOD_PASSWORD", "DOGFOOD_KEYRING"  # environment variables

_DEFAULT = Path("~/.config/dogfood/keyring.toml")
_REPOSITORY = Path(__file__).resolve().parent.parent


class CredentialsError(DogfoodError):
    """An account has no password, or the keyring cannot be trusted. The message never has a password."""


class Credentials:
    """Looks up passwords of accounts.

    Args:
        environment: environment variables.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._shared_password = environment.get(PASSWORD, "")
        self._path = Path(environment.get(KEYRING, "") or _DEFAULT).expanduser()
        self._passwords: Mapping[str, object] | None = None

    def password(self, account: str) -> str:
        """Return the password of *account*.

        Raises:
            CredentialsError: no password, or the keyring is inside the repository, readable by others, or not TOML.
        """
        if self._shared_password:
            return self._shared_password
        if self._passwords is None:
            self._passwords = _read(self._path)
        password = self._passwords.get(account)
        if not isinstance(password, str) or not password:
            raise CredentialsError(
                f"there is no password for {account!r}: set {PASSWORD}, or add it to [passwords] in {self._path}"
            )
        return password


def _read(path: Path) -> Mapping[str, object]:
    try:
        real = path.resolve(strict=True)
        mode = real.stat().st_mode
        content = tomllib.loads(real.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        # The parser's message may quote the file, so it is dropped.
        raise CredentialsError(f"the keyring {path} cannot be read as TOML") from None
    if real.is_relative_to(_REPOSITORY):
        raise CredentialsError(f"the keyring {path} is inside the repository: keep it elsewhere")
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise CredentialsError(f"the keyring {path} can be read by others: chmod 600 {path}")
    passwords = content.get("passwords", {})
    return passwords if isinstance(passwords, dict) else {}
