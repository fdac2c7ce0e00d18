"""Branches on GitHub, as the API and not git makes, reads and removes them."""

from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import quote

from forge.github.connection import Connection, send
from graph import Emit, unheard

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

    async def recent_messages(
        self, full_name: str, branch: str, limit: int, emit: Emit = unheard
    ) -> list[str]:
        def get(github: "Api") -> list[str]:
            commits = islice(github.get_repo(full_name).get_commits(branch), limit)
            return [str(each.commit.message) for each in commits if len(each.parents) < 2]

        return await self._read("the newest commits", get, emit, repo=full_name)

    async def merge_base(
        self, full_name: str, base_sha: str, head_sha: str, emit: Emit = unheard
    ) -> str:
        def compare(github: "Api") -> str:
            return str(github.get_repo(full_name).compare(base_sha, head_sha).merge_base_commit.sha)

        return await self._read("the base of a pull request", compare, emit, repo=full_name)
