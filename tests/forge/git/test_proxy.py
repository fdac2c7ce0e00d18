"""Real git on its way to a forge by the proxy that the environment names."""

import pytest
from pydantic import SecretStr

from forge.core.credentials import FixedToken
from forge.core.forge import GitAccess
from forge.core.retry import TransientError
from forge.git.command import Git
from forge.git.transfer_errors import transfer_error
from tests.standins.github import TOKEN
from tests.standins.refusing_proxy import refusing_proxy

WEB = "https://forge.invalid"


@pytest.mark.parametrize(
    ("status", "passes"),
    [("407 Proxy Authentication Required", False), ("403 Forbidden", False), ("502 Gone", True)],
)
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
async def test_git_takes_the_way_of_the_api_and_what_refuses_it_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, status: str, *, passes: bool
) -> None:
    git = Git(GitAccess(WEB, FixedToken(SecretStr(TOKEN)), "x-access-token"))
    monkeypatch.setenv("NO_PROXY", "elsewhere.invalid")
    async with refusing_proxy(status) as proxy:
        monkeypatch.setenv(variable, proxy.address)
        result = await git.transfer("ls-remote", f"{WEB}/o/r.git")
    assert proxy.asked == ["CONNECT forge.invalid:443 HTTP/1.1"]
    error = transfer_error(result, "o/r")
    assert isinstance(error, TransientError) == passes
    ours = error.error if isinstance(error, TransientError) else error
    assert ours.code == "github_unavailable"
    if not passes:
        assert variable in ours.message
        assert variable in ours.hint


async def test_hosts_that_need_no_proxy_are_asked_without_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    git = Git(GitAccess(WEB, FixedToken(None), "x-access-token"))
    monkeypatch.setenv("NO_PROXY", ".invalid")
    async with refusing_proxy("407 Proxy Authentication Required") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.address)
        result = await git.transfer("ls-remote", f"{WEB}/o/r.git")
    assert (result.ok, proxy.asked) == (False, [])
