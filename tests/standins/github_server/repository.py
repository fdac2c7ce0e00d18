"""A repository as the local forge hosts it: a bare repository and its pull requests."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tests.standins.github_attachments import HostedAttachment

_ENVIRONMENT: Final = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
}
_HEAD: Final = "ref: refs/heads/"
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
    head_repository: "HostedRepository | None" = None
    """The fork that the head is in, None where it is in the repository itself."""
    state: str = "open"
    merged_at: str | None = None
    labels: list[str] = field(default_factory=list)
    reviewers: list[str] = field(default_factory=list)
    author: str = ""
    """Who opened it, empty for the signed-in account."""
    maintainers_may_edit: bool = False
    mergeable: bool | None = True
    """What the API says; None while GitHub has not compared."""
    reviews: list[dict[str, Any]] = field(default_factory=list)
    """As they were sent."""
    hidden_paths: set[str] = field(default_factory=set)
    """Paths of which the diff shows no line, whatever it holds."""
    created_at: str = field(default_factory=now)
    updated_at: str = field(default_factory=now)


@dataclass
class HostedComment:
    """A comment of an issue or a pull request."""

    id: int
    issue: int
    author: str
    body: str
    created_at: str
    updated_at: str


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
    issues: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Title and body."""
    comments: dict[int, HostedComment] = field(default_factory=dict)
    reactions: list[tuple[str, str]] = field(default_factory=list)
    """What each is on, below the repository, and what it is."""
    replies: list[tuple[int, str]] = field(default_factory=list)
    """Answers in threads of reviews: the comment, and the text."""
    reviews: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    """Each as the API shows it: itself, then its comments."""
    checks: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Check runs as the API shows them, by commit or branch."""
    statuses: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Newest commit statuses as the API shows them, by commit or branch."""
    workflows: list[str] = field(default_factory=list)
    """How the workflows of each commit ended."""
    required: set[str] = field(default_factory=set)
    """Checks that the protection of every branch requires."""
    authors: dict[str, str] = field(default_factory=dict)
    """Logins of who made commits, by their hashes."""
    emails: dict[str, str] = field(default_factory=dict)
    """Addresses of who made commits, by their hashes."""
    reruns: list[int] = field(default_factory=list)
    """Runs of automation whose failed jobs were asked for again."""
    logs: dict[int, str] = field(default_factory=dict)
    """What jobs printed, by their numbers."""
    attachments: dict[str, HostedAttachment] = field(default_factory=dict)
    """What people attached, by its id."""
    permissions: dict[str, str] = field(default_factory=dict)
    """What people may do, by login: `admin`, `write`, `read`."""
    forking: bool = True
    parent: "HostedRepository | None" = None
    ready_at: float = 0
    """When a fork can be seen, by `time.monotonic()`."""

    @property
    def owner(self) -> str:
        return self.full_name.partition("/")[0]

    @property
    def name(self) -> str:
        return self.full_name.partition("/")[2]

    def say(self, issue: int, author: str, body: str, at: str = "") -> HostedComment:
        """Add a comment; `at` is its time, in place of this moment."""
        number, moment = 1000 + len(self.comments), at or now()
        self.comments[number] = HostedComment(number, issue, author, body, moment, moment)
        return self.comments[number]

    def find_line(self, number: int) -> dict[str, Any] | None:
        """A comment of a review."""
        lines = (line for review in self.reviews.values() for line in review[1:])
        return next((line for line in lines if line["id"] == number), None)

    async def sha(self, branch: str) -> str | None:
        """The commit of a branch."""
        found = await git(
            f"--git-dir={self.git_dir}", "rev-parse", "--verify", "-q", f"refs/heads/{branch}"
        )
        return found.decode().strip() if found else None

    async def commits(self, branch: str) -> list[tuple[str, list[str], str]]:
        """The newest commits of a branch, a few pages of them: name, parents, message."""
        form = "--format=%H%x00%P%x00%B%x01"
        log = await git(f"--git-dir={self.git_dir}", "log", "-300", form, branch)
        rows = [row.strip("\n").split("\0") for row in (log or b"").decode().split("\1")[:-1]]
        return [(sha, parents.split(), message.strip("\n")) for sha, parents, message in rows]

    async def has_commits_between(self, base_sha: str, head_sha: str) -> bool:
        """A fork's commits are seen from the fork alone, which has its parent's objects, too."""
        between = f"{base_sha}..{head_sha}"
        counted = await git(f"--git-dir={self.git_dir}", "rev-list", "--count", between)
        return counted is not None and int(counted) > 0

    async def merge_base(self, base_sha: str, head_sha: str) -> str | None:
        """The newest commit that both come from."""
        found = await git(f"--git-dir={self.git_dir}", "merge-base", base_sha, head_sha)
        return found.decode().strip() if found else None

    async def show_pulls(self) -> None:
        """Have the heads of pull requests, those of forks too, below `refs/pull`, as GitHub has."""
        for pull in list(self.pulls.values()):  # others come while git is waited for
            source = (pull.head_repository or self).git_dir
            refspec = f"+refs/heads/{pull.head}:refs/pull/{pull.number}/head"
            await git(f"--git-dir={self.git_dir}", "fetch", "-q", str(source), refspec)

    def takes_edits_of(self, fork: "HostedRepository") -> bool:
        """Whether who may push here may push to a fork, whose owner allows that."""
        pulls = (pull for pull in self.pulls.values() if pull.head_repository is fork)
        return self.push and any(p.maintainers_may_edit and p.state == "open" for p in pulls)

    async def add_branch(self, branch: str, sha: str) -> bool:
        """Make a branch that is not there yet, at a commit that is."""
        made = await git(
            f"--git-dir={self.git_dir}", "update-ref", f"refs/heads/{branch}", sha, "0" * 40
        )
        return made is not None

    async def delete_branch(self, branch: str) -> bool:
        """Remove a branch that is there."""
        if await self.sha(branch) is None:
            return False
        ref = f"refs/heads/{branch}"
        return await git(f"--git-dir={self.git_dir}", "update-ref", "-d", ref) is not None

    def open_pull(
        self, base: str, head: str, head_repository: "HostedRepository | None" = None
    ) -> HostedPull | None:
        """The open pull request between two branches."""
        pulls = (pull for pull in self.pulls.values() if pull.state == "open")
        ends = (base, head, head_repository)
        return next((p for p in pulls if (p.base, p.head, p.head_repository) == ends), None)


async def host(
    number: int, full_name: str, source: Path, folder: Path, **facts: Any
) -> HostedRepository:
    """Host a bare copy of the git repository `source` below `folder`."""
    git_dir = folder / str(number) / f"{full_name}.git"
    await asyncio.to_thread(git_dir.parent.mkdir, parents=True, exist_ok=True)
    if await git(*_CLONE, str(source), str(git_dir)) is None:
        raise RuntimeError(f"{source} cannot be cloned")
    head = await asyncio.to_thread((git_dir / "HEAD").read_text)
    branch = head.strip().removeprefix(_HEAD) if head.startswith(_HEAD) else "main"
    return HostedRepository(number, full_name, git_dir, branch, **facts)


async def host_fork(
    number: int, full_name: str, parent: HostedRepository, folder: Path, ready_at: float
) -> HostedRepository:
    """Host a fork with the branches of this moment; it shares its parent's objects."""
    fork = await host(number, full_name, parent.git_dir, folder, parent=parent, ready_at=ready_at)
    alternates = fork.git_dir / "objects" / "info" / "alternates"
    await asyncio.to_thread(alternates.write_text, f"{parent.git_dir / 'objects'}\n")
    return fork


async def git(*words: str) -> bytes | None:
    """What a git command prints, None where it fails."""
    process = await asyncio.create_subprocess_exec(
        "git",
        *words,
        cwd="/",
        env=_ENVIRONMENT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    output, _ = await process.communicate()
    return output if process.returncode == 0 else None
