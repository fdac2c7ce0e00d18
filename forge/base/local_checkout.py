"""A git checkout on this machine: read without running what it configures, given one branch."""

import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from forge.base.bare_repository import new_repository, put_in_place
from forge.base.version_tags import version_of
from forge.git.command import Git, GitLimits, GitResult, SystemUser
from graph.errors import (
    BranchNotFound,
    CommitNotFound,
    EmptyRepository,
    PushRejected,
    RepositoryError,
    RepositoryNotFound,
)

_TRUSTED: Final = "safe.directory=*"
_STATUS_LIMITS: Final = GitLimits(timeout_s=15, output_bytes=64 * 1024 * 1024)
_FETCH_LIMITS: Final = GitLimits(timeout_s=600, cpu_s=600, memory_mb=4096, file_mb=4096)
FETCH: Final = [
    "fetch",
    "--quiet",
    "--depth=1",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-auto-maintenance",
    "--no-recurse-submodules",
    "--no-show-forced-updates",
]
_FIND: Final = ["rev-parse", "--show-object-format", "--is-bare-repository", "--absolute-git-dir"]
_TAGS: Final = (
    "--format=%(refname:strip=2)%09"
    "%(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end)"
)
DETACHED: Final = "HEAD"
Finish = Callable[[Path, str], Awaitable[None]]
"""Gets a repository and the name of its branch."""
_MAX_QUOTED: Final = 500
_DISTANT: Final = re.compile(r"(?:https?|ssh)://|[\w.-]{1,64}@[\w.-]{1,255}:")
_IN_THE_WAY: Final = re.compile(r"'refs/heads/([^']{1,255})' exists; cannot create")


@dataclass(frozen=True)
class Checkout:
    """A user's repository. `folder` is its work tree, or the repository itself where it is bare.

    `owner`: who commands that write to it run as, where we are root and it is another's.
    """

    folder: Path
    git_dir: Path
    bare: bool
    owner: SystemUser | None

    @classmethod
    async def find(cls, git: Git, path: Path) -> "Checkout":
        """The repository that `path` is or lies in. Raises RepositoryNotFound."""
        if not await asyncio.to_thread(path.is_dir):
            raise RepositoryNotFound(f"There is no folder {path}.", "Give the path of a checkout.")
        result = await git.run("-C", str(path), *_FIND, configured=(_TRUSTED,))
        lines = result.stdout.decode("utf-8", "surrogateescape").splitlines()
        if not result.ok or len(lines) != 3:
            raise RepositoryNotFound(
                f"{path} is not a git checkout.", "Run git init and commit there first."
            )
        if lines[0] != "sha1":
            raise RepositoryError(f"{path} names its objects by {lines[0]}; only sha1 is served.")
        git_dir, bare, folder = Path(lines[2]), lines[1] == "true", Path(lines[2])
        if not bare:
            top = await git.output(
                "-C", str(path), "rev-parse", "--show-toplevel", configured=(_TRUSTED,)
            )
            folder = Path(os.fsdecode(top.rstrip(b"\n")))
        return cls(folder, git_dir, bare, await asyncio.to_thread(_other_owner, git_dir))

    async def head_branch(self, git: Git) -> str:
        """The current branch, or `HEAD` where none is checked out."""
        result = await self._run(git, "symbolic-ref", "--quiet", "--short", "HEAD")
        return result.stdout.decode("utf-8", "replace").strip() if result.ok else DETACHED

    async def branch_commit(self, git: Git, branch: str) -> str:
        """The commit that a branch names, empty where there is none."""
        found = await self._run(git, "rev-parse", "--quiet", "--verify", f"refs/heads/{branch}")
        return found.stdout.decode().strip()

    async def has_place(self, git: Git, branch: str) -> bool:
        """Whether neither a branch of this name is there nor one below it."""
        found = await self._run(git, "for-each-ref", "--count=1", f"refs/heads/{branch}")
        return found.ok and not found.stdout

    async def recent_messages(self, git: Git, sha: str, limit: int) -> list[str]:
        """The messages of the newest commits up to one, merges left out."""
        found = await self._run(git, "log", f"-{limit}", "--no-merges", "-z", "--format=%B", sha)
        return found.stdout.decode("utf-8", "replace").split("\0") if found.ok else []

    async def version(self, git: Git, sha: str) -> str:
        """What a commit would be released as, by the tags before it; empty where none tells."""
        listed = await self._run(git, "for-each-ref", f"--merged={sha}", _TAGS, "refs/tags")
        rows = listed.stdout.decode("utf-8", "replace").splitlines() if listed.ok else []
        tags = dict(row.split("\t") for row in rows if row.count("\t") == 1)
        return version_of(tags, sha)

    async def fetch_into(
        self, git: Git, branch: str | None, base_git: Path, then: Finish | None = None
    ) -> None:
        """Make `base_git` of the newest commit of `branch`, or of HEAD.

        `then` works on the new repository, of one branch, before it gets its name.
        """
        name = branch or await self.head_branch(git)
        ref = f"refs/heads/{branch}" if branch else "HEAD"
        await self._check_commit(git, ref, branch)
        await self._fetch(git, ref, name, base_git, then)

    async def fetch_commit(self, git: Git, sha: str, name: str, base_git: Path) -> None:
        """Make `base_git` of one commit, as its branch `name`. Raises CommitNotFound."""
        found = await self._run(git, "rev-parse", "--quiet", "--verify", f"{sha}^{{commit}}")
        if not found.ok:
            raise CommitNotFound(f"{self.folder} has no commit {sha}.")
        await self._fetch(git, found.stdout.decode().strip(), name, base_git)

    async def _fetch(
        self, git: Git, wanted: str, name: str, base_git: Path, then: Finish | None = None
    ) -> None:
        async with new_repository(base_git) as new:
            await git.output(
                "init", "--quiet", "--bare", "--template=", f"--initial-branch={name}", str(new)
            )
            config = await asyncio.to_thread(_write_trust, new)
            result = await git.run(
                *FETCH,
                "--",
                str(self.git_dir),
                f"+{wanted}:refs/heads/{name}",
                git_dir=str(new),
                environment={"GIT_ALLOW_PROTOCOL": "file", "GIT_CONFIG_GLOBAL": str(config)},
                configured=("protocol.file.allow=always",),
                limits=_FETCH_LIMITS,
            )
            if not result.ok:
                raise result.failure()
            if then:
                await then(new, name)
            await asyncio.to_thread(_finish, config, new, base_git)

    async def has_uncommitted(self, git: Git) -> bool:
        """Whether the work tree differs from HEAD; True where git cannot tell in time."""
        if self.bare:
            return False
        result = await git.run(
            f"--work-tree={self.folder}",
            "status",
            "--porcelain",
            "--ignore-submodules=all",
            git_dir=str(self.git_dir),
            environment=await without_filters(git, self),
            limits=_STATUS_LIMITS,
            user=self.owner,
        )
        return not result.ok or bool(result.stdout)

    async def try_branch(self, git: Git, branch: str, sha: str) -> None:
        """Raise PushRejected where no new branch of this name can be made; none is."""
        result = await self._run(
            git,
            *("update-ref", "--no-deref", "--stdin"),
            stdin=f"start\ncreate refs/heads/{branch} {sha}\nprepare\nabort\n".encode(),
        )
        if result.ok:
            return
        if found := _IN_THE_WAY.search(result.stderr):
            raise PushRejected(
                f"{self.folder} has a branch {found[1]}, which leaves no place for {branch}.",
                f"Rename it with `git branch -m {found[1]} NEW-NAME`, then run again.",
            )
        raise PushRejected(
            f"{self.folder} takes no new branch: {result.stderr.strip()[-_MAX_QUOTED:]}",
            "Let this user write to the .git folder there, then run again.",
        )

    async def add_branch(self, git: Git, branch: str, sha: str, before: str, pack: bytes) -> None:
        """Put the objects of `pack` there and let `branch` name `sha`; `before` as it must be now.

        Work tree, index, HEAD, config and hooks are neither read nor written.
        """
        ref = f"refs/heads/{branch}"
        now = await self.branch_commit(git, branch)
        if now == sha:
            return
        if now != before:
            raise PushRejected(f"The checkout has another branch {branch}; it stays as it is.")
        if before and await self._is_checked_out(git, ref):
            raise PushRejected(
                f"The branch {branch} is checked out and stays as it is.",
                "Check out another branch, then resume the run.",
            )
        unpacked = await self._run(git, "unpack-objects", "-q", "--strict", stdin=pack)
        updated = await self._run(
            git, "update-ref", "--no-deref", "-m", "coding-agent", ref, sha, before or "0" * 40
        )
        for result in (unpacked, updated):
            if not result.ok:
                raise result.failure()

    async def identity(self, git: Git) -> str | None:
        """`Name <email>` of whoever commits there, by the checkout's config or the user's own."""
        home = await asyncio.to_thread(Path.home)
        for own in (home / ".gitconfig", home / ".config" / "git" / "config"):
            environment = {"HOME": str(home), "GIT_CONFIG_GLOBAL": str(own)}
            name = await self._configured(git, "user.name", environment)
            email = await self._configured(git, "user.email", environment)
            if name and email:
                return f"{name} <{email}>"
        return None

    async def has_distant_origin(self, git: Git) -> bool:
        """Whether `origin` is on another machine, such as a forge."""
        return _DISTANT.match(await self._configured(git, "remote.origin.url", {})) is not None

    async def _configured(self, git: Git, key: str, environment: dict[str, str]) -> str:
        result = await git.run(
            "config", "--get", key, git_dir=str(self.git_dir), environment=environment
        )
        return result.stdout.decode("utf-8", "replace").strip() if result.ok else ""

    async def _check_commit(self, git: Git, ref: str, branch: str | None) -> None:
        found = await self._run(git, "rev-parse", "--quiet", "--verify", f"{ref}^{{commit}}")
        if found.ok:
            return
        any_commit = await self._run(git, "rev-list", "--all", "--max-count=1")
        if branch and any_commit.stdout:
            raise BranchNotFound(f"{self.folder} has no branch {branch}.")
        raise EmptyRepository(
            f"{self.folder} has no commit to start from.", "Make a first commit, then run again."
        )

    async def _is_checked_out(self, git: Git, ref: str) -> bool:
        trees = await self._run(git, "worktree", "list", "--porcelain", "-z")
        return not trees.ok or f"branch {ref}".encode() in trees.stdout.split(b"\0")

    async def _run(self, git: Git, *arguments: str, stdin: bytes = b"") -> GitResult:
        return await git.run(
            *arguments, git_dir=str(self.git_dir), stdin=stdin, user=self.owner, private=False
        )


def _other_owner(git_dir: Path) -> SystemUser | None:
    status = git_dir.stat()
    if os.geteuid() != 0 or status.st_uid == 0:
        return None
    return SystemUser(status.st_uid, status.st_gid)


def _write_trust(new: Path) -> Path:
    """A config that lets git read a checkout of another user: the caller named it."""
    config = new / "trust"
    config.write_text("[safe]\n\tdirectory = *\n")
    return config


def _finish(config: Path, new: Path, base_git: Path) -> None:
    config.unlink()
    put_in_place(new, base_git)


async def without_filters(git: Git, checkout: Checkout) -> dict[str, str]:
    """Settings that take the commands out of every filter that a checkout configures."""
    filters = await git.run(
        *("config", "--null", "--name-only", "--get-regexp", r"^filter\."),
        git_dir=str(checkout.git_dir),
        user=checkout.owner,
    )
    names = os.fsdecode(filters.stdout).split("\0")
    keys = sorted(name for name in names if name.startswith("filter."))
    environment = {"GIT_CONFIG_COUNT": str(len(keys))} if keys else {}
    for number, key in enumerate(keys):
        environment[f"GIT_CONFIG_KEY_{number}"] = key
        environment[f"GIT_CONFIG_VALUE_{number}"] = "false" if key.endswith(".required") else ""
    return environment
