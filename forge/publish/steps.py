"""How far a run's publication has come: every step is kept before the next one is made.

But for that a branch was pushed: what is forgotten of it is found out, or done again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from forge.git.command import Git
from forge.git.environment import run_objects
from forge.git.identity import identity
from forge.publish import record as publication_record
from forge.publish.record import PublicationRecord
from forge.signing import SigningKey, sign_commit
from graph import Publication, RunFolder
from graph.errors import BranchExists, PushRejected

_MOST_NAMES: Final = 5

MakeLast = Callable[[], Awaitable[None]]


async def on_own_disk() -> None:
    """What is on a disk of one's own lasts by itself."""


@dataclass
class PublishSteps:
    """The steps that a branch on the forge and one in a checkout have in common.

    `make_last` makes what is in the run's folder outlast this machine. Commits are signed where
    there is a `key`.
    """

    git: Git
    run: RunFolder
    publication: Publication
    record: PublicationRecord
    make_last: MakeLast
    key: SigningKey | None = None

    @property
    def needs_branch_head(self) -> bool:
        """Whether an older commit than the one to be made may be on the branch or not."""
        return self.record.maybe_pushed and self.record.tree != self.publication.change.tree

    async def keep(self, **changes: Any) -> None:
        """Change fields of the record, which lasts before the next step."""
        await self.note(**changes)
        await self.make_last()

    async def note(self, **changes: Any) -> None:
        """Change fields of the record; a later `keep` makes it last: until then it may be lost."""
        self.record = self.record.model_copy(update=changes)
        await asyncio.to_thread(publication_record.save, self.run, self.record)

    async def settle_branch(self, place: str, is_free: Callable[[str], Awaitable[bool]]) -> None:
        """Give the branch a name that nothing else has in `place`, before anything is there by it.

        Raises BranchExists where the caller named it, else PushRejected.
        """
        asked, name = self.publication.branch, self.record.branch
        if not name and self.publication.branch_asked and not await is_free(asked):
            raise branch_exists(place, asked, changed=True)
        if not name:
            names = [asked, *(f"{asked}-{number}" for number in range(2, _MOST_NAMES + 1))]
            name = asked if self.record.commit else await _first_free(names, is_free)
            await self.note(branch=name)
        self.publication = self.publication.model_copy(update={"branch": name})

    async def note_branch_head(self, head: str) -> None:
        """Go on from where the branch is: is the newest commit there?"""
        if head == self.record.commit:
            await self.keep(pushed=head)

    async def make_commit(self, message: str, author: str) -> None:
        """Make a commit of the change, where the kept one is not of it."""
        tree = self.publication.change.tree
        if self.record.commit and self.record.tree == tree:
            return
        parents = [word for sha in await self._find_parents() for word in ("-p", sha)]
        objects, git_dir = run_objects(str(self.run.objects)), str(self.run.base_git)
        made = await self.git.output(
            *("commit-tree", tree, *parents, "-F", "-"),
            git_dir=git_dir,
            stdin=message.encode(),
            environment={**objects, **identity(author)},
        )
        sha = made.decode().strip()
        if self.key:
            sha = await sign_commit(self.git, sha, self.key, git_dir=git_dir, environment=objects)
        await self.keep(commit=sha, tree=tree)

    async def _find_parents(self) -> tuple[str, ...]:
        """The branch is never forced: over a newer base, what is on it is merged with that."""
        base, pushed = self.publication.base, self.record.pushed
        if base.pull and base.pull.merged and not pushed:
            return (base.pull.merged.sha, base.sha)
        if not pushed or not base.moved:
            return (pushed or base.sha,)
        known = await self.git.run(
            *("merge-base", "--is-ancestor", base.sha, pushed),
            git_dir=str(self.run.git_of(base)),
            environment=run_objects(str(self.run.objects)),
        )
        return (pushed,) if known.ok else (pushed, base.sha)


def branch_exists(place: str, branch: str, *, changed: bool = False) -> BranchExists:
    """The error of a branch that `place` has; `changed`: there is a change by now."""
    message = f"{place} has a branch {branch}, or one below it; it stays as it is."
    if changed:
        return BranchExists(message, "Rename that branch, then resume the run: its change is kept.")
    return BranchExists(message)


async def _first_free(names: list[str], is_free: Callable[[str], Awaitable[bool]]) -> str:
    for name in names:
        if await is_free(name):
            return name
    raise PushRejected(
        f"Other branches have the names {names[0]} to {names[-1]}; they stay as they are.",
        "Delete those that nobody needs, then resume the run.",
    )
