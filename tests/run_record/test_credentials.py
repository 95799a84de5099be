"""Passwords come from outside the repository and are never in a message."""

from pathlib import Path

import pytest

from run_record.accounts import AccountsError, read_accounts
from run_record.credentials import Credentials, CredentialsError

SECRET = "planted-9f3c"
ROW = '{"name": "Reader 1", "user_id": 1, "central_id": 2, "subject": 3}\n'


def keyring(folder: Path, text: str, mode: int = 0o600) -> dict[str, str]:
    path = folder / "keyring.toml"
    path.write_text(text)
    path.chmod(mode)
    return {"DOGFOOD_KEYRING": str(path)}


def test_the_environment_has_one_password_for_all(tmp_path: Path) -> None:
    result = Credentials({"DOGFOOD_PASSWORD": SECRET, **keyring(tmp_path, "[passwords]\n'Reader 1' = 'other'")})
    assert result.password("anybody") == SECRET


def test_the_keyring_has_a_password_for_each_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in keyring(tmp_path, f"[passwords]\n'Reader 1' = '{SECRET}'").items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DOGFOOD_PASSWORD", raising=False)
    accounts = tmp_path / "accounts.ndjson"
    accounts.write_text(ROW)
    [account] = read_accounts(accounts)
    assert (account.name, account.password) == ("Reader 1", SECRET)


@pytest.mark.parametrize(
    ("text", "mode", "says"),
    [
        (f"[passwords]\n'Reader 1' = '{SECRET}'", 0o644, "can be read by others: chmod 600"),
        (f"[passwords\n'Reader 1' = '{SECRET}'", 0o600, "cannot be read as TOML"),
        (f"[passwords]\n'Reader 2' = '{SECRET}'", 0o600, "there is no password for 'Reader 1'"),
        (f"passwords = '{SECRET}'", 0o600, "there is no password for 'Reader 1'"),
    ],
)
def test_errors_never_have_the_password(tmp_path: Path, text: str, mode: int, says: str) -> None:
    with pytest.raises(CredentialsError, match=says) as raised:
        Credentials(keyring(tmp_path, text, mode)).password("Reader 1")
    assert SECRET not in str(raised.value)


def test_a_keyring_in_the_repository_is_refused() -> None:
    inside = Path(__file__).resolve().parents[2] / "targets" / "local.toml"
    with pytest.raises(CredentialsError, match="is inside the repository"):
        Credentials({"DOGFOOD_KEYRING": str(inside)}).password("Reader 1")


def test_a_malformed_file_of_accounts_is_not_quoted(tmp_path: Path) -> None:
    path = tmp_path / "accounts.ndjson"
    path.write_text(ROW + f'{{"name": "x", "password": "{SECRET}"')
    with pytest.raises(AccountsError, match="line 2: it is not a row of this file") as raised:
        read_accounts(path)
    assert SECRET not in str(raised.value)
