"""Git, GitHub's API and Claude's behind a company's proxy that opens TLS: one setting for all."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from forge.core.credentials import FixedToken
from forge.core.forge import GitAccess
from forge.git.command import Git
from forge.git.transfer_errors import transfer_error
from forge.github import GitHub
from graph import RetryPolicy
from graph.errors import CodingAgentError
from roles.claude.client import Claude
from roles.claude.provider import AnthropicProvider
from tests.standins.own_authority import tls_server

KEY = SecretStr("a-key-of-24-characters..")


async def ask_git(address: str) -> None:
    git = Git(GitAccess(address, FixedToken(None), "x-access-token"))
    failed = transfer_error(await git.transfer("ls-remote", f"{address}/o/r.git"), "o/r")
    raise failed if isinstance(failed, CodingAgentError) else failed.error


async def ask_github(address: str) -> None:
    github = GitHub(api_url=f"{address}/api/v3", token=KEY, retry_policy=RetryPolicy(attempts=1))
    await github.repository("o/r")


async def ask_claude(address: str) -> None:
    claude = Claude(AnthropicProvider(api_key=KEY, base_url=address))
    try:
        await claude.probe()
    finally:
        await claude.close()


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


ALL = pytest.mark.parametrize("ask", [ask_git, ask_github, ask_claude])


@ALL
async def test_who_is_not_trusted_is_told_with_the_variable_that_mends_it(
    ask: Callable[[str], Awaitable[None]], tmp_path: Path
) -> None:
    async with tls_server(tmp_path) as server, asyncio.timeout(60):
        with pytest.raises(CodingAgentError, match="trust") as raised:
            await ask(server.address)
    assert "SSL_CERT_FILE" in raised.value.hint
    assert server.asked == []


@ALL
async def test_the_authority_that_a_variable_names_is_trusted(
    ask: Callable[[str], Awaitable[None]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tls_server(tmp_path) as server, asyncio.timeout(60):
        monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
        with pytest.raises(CodingAgentError) as raised:
            await ask(server.address)
    assert len(server.asked) == 1, raised.value.message


@ALL
async def test_a_file_that_is_not_there_is_named(
    ask: Callable[[str], Awaitable[None]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tls_server(tmp_path) as server, asyncio.timeout(60):
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
        with pytest.raises(CodingAgentError, match="SSL_CERT_FILE"):
            await ask(server.address)
    assert server.asked == []
