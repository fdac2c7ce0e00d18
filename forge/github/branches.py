"""Branches on GitHub that the API makes and removes, and not git."""

from typing import TYPE_CHECKING
from urllib.parse import quote

from forge.github.connection import Connection, send

if TYPE_CHECKING:
    from forge.github.connection import Api


class GitHubBranches(Connection):
    """Refs of a repository, over the same connection."""

    async def create_branch(self, full_name: str, branch: str, sha: str) -> None:
        def create(github: "Api") -> None:
            github.get_repo(full_name).create_git_ref(f"refs/heads/{branch}", sha)

        await self._write(f"a branch in {full_name}", create, repo=full_name)

    async def delete_branch(self, full_name: str, branch: str) -> None:
        def delete(github: "Api") -> None:
            path = f"/repos/{full_name}/git/refs/heads/{quote(branch)}"
            send(github, "DELETE", path)

        await self._write(f"a branch in {full_name}", delete, repo=full_name)
