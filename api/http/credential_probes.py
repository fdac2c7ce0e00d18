"""What `/auth-test` asks of the outside."""

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from typing import Final, Protocol

from api.http.routes.response_models import AuthTest, RepositoryRights
from graph.errors import CodingAgentError

log = logging.getLogger(__name__)

OK: Final = "ok"
TIMEOUT_S: Final = 20.0


class Probes(Protocol):
    """Tries the service's own credentials; changes nothing."""

    async def claude(self) -> str:
        """`ok` or an error code."""
        ...

    async def github(self) -> str:
        """`ok` or an error code."""
        ...

    async def repository(self, repo_url: str) -> tuple[bool, bool]:
        """Whether the token may read and push."""
        ...

    async def repositories(self) -> Sequence[str]:
        """OWNER/NAME of those that the forge lists, the last pushed first."""
        ...


async def auth_test(probes: Probes, repo_url: str | None, *, allowed: bool) -> AuthTest:
    """All probes at once; a repository that is not allowed looks like a missing one.

    It costs a call to GitHub too, so that the time does not tell them apart.
    """
    claude, github, rights = await asyncio.gather(
        _code(probes.claude(), "claude_unavailable"),
        _code(probes.github(), "github_unavailable"),
        _rights(probes, repo_url, allowed=allowed),
    )
    repo = RepositoryRights(read=rights[0], push=rights[1]) if repo_url else None
    return AuthTest(claude=claude, github=github, repo=repo)


async def _code(probe: Awaitable[str], silent: str) -> str:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await probe
    except TimeoutError:
        return silent
    except CodingAgentError as error:
        return error.code


async def _rights(probes: Probes, repo_url: str | None, *, allowed: bool) -> tuple[bool, bool]:
    if repo_url is None:
        return False, False
    if not allowed:
        await _code(probes.github(), "github_unavailable")
        return False, False
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await probes.repository(repo_url)
    except (CodingAgentError, TimeoutError) as error:
        log.info("the repository could not be tried: %s", type(error).__name__)
        return False, False
