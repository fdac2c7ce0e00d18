"""Pull requests on the forge's stand-in, from branches of the repository and of forks."""

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path

from graph.values import Base, Change
from tests.standins.github_server.repository import HostedPull
from tests.support.trusted_side import TrustedSide, git, make_patch

_NAMES = itertools.count(1)


def commit_in(git_dir: Path, branch: str, files: Mapping[str, str], start: str = "") -> str:
    """Commit files onto a branch of a bare repository; one that is new begins at `start`."""
    tip = start or branch
    work = git_dir / f"work-{next(_NAMES)}"
    git(git_dir, "worktree", "add", "-q", "--detach", str(work), tip)
    for name, text in files.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text)
    git(work, "add", "-A")
    git(work, "commit", "-qm", "by somebody")
    sha = git(work, "rev-parse", "HEAD").decode().strip()
    git(git_dir, "update-ref", f"refs/heads/{branch}", sha)
    git(git_dir, "worktree", "remove", "--force", str(work))
    return sha


def commit_on(side: TrustedSide, branch: str, files: Mapping[str, str]) -> str:
    """Commit files onto a branch of the repository."""
    return commit_in(side.hosted.git_dir, branch, files)


async def add_pull(
    side: TrustedSide,
    files: Mapping[str, str],
    *,
    fork: str = "",
    author: str = "",
    base: str = "main",
    head: str = "",
    name: str = "",
) -> HostedPull:
    """An open pull request that writes files; its branch is in the `fork` of that name, if any.

    It is a new one of that `name`, but for a `head` that is there.
    """
    source = await side.forge.add_fork(fork, side.hosted) if fork else side.hosted
    number = len(side.hosted.pulls) + 1
    branch = head or name or f"feature-{number}"
    base_sha = git(side.hosted.git_dir, "rev-parse", base).decode().strip()
    sha = git(source.git_dir, "rev-parse", head).decode().strip() if head else ""
    sha = sha or commit_in(source.git_dir, branch, files, base_sha)
    pull = HostedPull(
        number=number,
        title="A feature",
        body="As its author wrote it.",
        base=base,
        head=branch,
        head_sha=sha,
        base_sha=base_sha,
        draft=False,
        head_repository=source if fork else None,
        author=author,
    )
    side.hosted.pulls[number] = pull
    return pull


async def change_on(
    side: TrustedSide, base: Base, edit: Callable[[Path], object], run_id: str = "r1"
) -> Change:
    """The change that `edit` makes of a pull request's head."""
    work = side.runs.parent / f"work-{next(_NAMES)}"
    git(side.runs.parent, "clone", "-q", "--no-checkout", str(side.run(run_id).base_git), str(work))
    git(work, "fetch", "-q", "origin", "refs/pull/head")
    git(work, "checkout", "-q", base.sha)
    edit(work)
    ref = side.hand_over(make_patch(work), 2, run_id)
    change = await side.repositories.read_change(run_id, base, ref)
    return change.model_copy(update={"title": "Add a file", "summary": "It was asked for."})


async def prepare_pull(side: TrustedSide, pull: HostedPull, run_id: str = "r1") -> Base:
    """The base of a run on it."""
    side.run(run_id)
    url = f"{side.url}/pull/{pull.number}"
    return await side.repositories.prepare_pull(run_id, url, side.events.append)
