"""A repository as the local forge hosts it: a bare repository and its pull requests."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

_ENVIRONMENT: Final = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
}
_CLONE: Final = ("clone", "--quiet", "--bare", "--no-hardlinks", "--template=")


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class HostedPull:
    """One pull request as the forge keeps it."""

    number: int
    title: str
    body: str
    base: str
    head: str
    head_sha: str
    base_sha: str
    draft: bool
    state: str = "open"
    labels: list[str] = field(default_factory=list)
    reviewers: list[str] = field(default_factory=list)
    created_at: str = field(default_factory=now)
    updated_at: str = field(default_factory=now)


@dataclass
class HostedRepository:
    """What the forge knows of one repository."""

    id: int
    full_name: str
    git_dir: Path
    default_branch: str
    private: bool = False
    archived: bool = False
    push: bool = True
    drafts: bool = True
    pulls: dict[int, HostedPull] = field(default_factory=dict)

    @property
    def owner(self) -> str:
        return self.full_name.partition("/")[0]

    @property
    def name(self) -> str:
        return self.full_name.partition("/")[2]

    async def sha(self, branch: str) -> str | None:
        """The commit of a branch."""
        found = await git(
            f"--git-dir={self.git_dir}", "rev-parse", "--verify", "-q", f"refs/heads/{branch}"
        )
        return found.decode().strip() if found else None

    async def has_commits_between(self, base: str, head: str) -> bool:
        counted = await git(f"--git-dir={self.git_dir}", "rev-list", "--count", f"{base}..{head}")
        return counted is not None and int(counted) > 0

    def open_pull(self, base: str, head: str) -> HostedPull | None:
        """The open pull request between two branches."""
        pulls = (pull for pull in self.pulls.values() if pull.state == "open")
        return next((pull for pull in pulls if (pull.base, pull.head) == (base, head)), None)


async def host(
    number: int, full_name: str, source: Path, folder: Path, **facts: Any
) -> HostedRepository:
    """Host a bare copy of the git repository `source` below `folder`."""
    git_dir = folder / str(number) / f"{full_name}.git"
    await asyncio.to_thread(git_dir.parent.mkdir, parents=True, exist_ok=True)
    if await git(*_CLONE, str(source), str(git_dir)) is None:
        raise RuntimeError(f"{source} cannot be cloned")
    head = await git(f"--git-dir={git_dir}", "symbolic-ref", "--short", "HEAD") or b"main"
    branch = head.decode().strip()
    return HostedRepository(number, full_name, git_dir, branch, **facts)


async def git(*words: str) -> bytes | None:
    """What a git command prints, None where it fails."""
    process = await asyncio.create_subprocess_exec(
        "git",
        *words,
        env=_ENVIRONMENT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    output, _ = await process.communicate()
    return output if process.returncode == 0 else None
