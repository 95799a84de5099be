"""The name of an override's cookie."""

import pytest

from browser_scenarios.chromium import BrowserError
from browser_scenarios.scenarios.override import cookie_name


@pytest.mark.parametrize(
    ("cookies", "name"),
    [
        (["testwiki_session", "testwikiUserID"], "testwikimpo"),
        (["other", "enwiki_UserName"], "enwiki_mpo"),
        (["frwiki_session"], "frwikimpo"),
    ],
)
def test_the_cookie_has_the_wikis_prefix(cookies: list[str], name: str) -> None:
    assert cookie_name(cookies) == name


def test_an_unknown_prefix_is_one_clear_error() -> None:
    with pytest.raises(BrowserError, match="prefix is not known"):
        cookie_name(["mpo"])
