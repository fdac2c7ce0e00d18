"""How far a run's publication has come: every step is kept before the next one is made."""

import asyncio
import re
from dataclasses import dataclass
from typing import Final

from forge.git.command import Git
from forge.git.environment import run_objects
from forge.publish import record as publication_record
from forge.publish.record import PublicationRecord
from graph import Publication, RunFolder

_AUTHOR: Final = re.compile(r"([^<>\x00-\x1f]*[^<>\x00-\x20]) <([^<>\x00-\x20]+)>")


@dataclass
class Progress:
    """The steps that a branch on the forge and one in a checkout have in common."""

    git: Git
    run: RunFolder
    publication: Publication
    record: PublicationRecord

    @property
    def superseded(self) -> bool:
        """Whether an older commit than the one to be made may be on the branch or not."""
        return self.record.unclear and self.record.tree != self.publication.change.tree

    async def keep(self, **changed: str | int | tuple[str, ...] | None) -> None:
        """Add to the record."""
        self.record = self.record.model_copy(update=changed)
        await asyncio.to_thread(publication_record.save, self.run, self.record)

    async def settle(self, head: str) -> None:
        """Go on from where the branch is known to be: is the newest commit there?"""
        if head == self.record.commit:
            await self.keep(pushed=head)

    async def commit(self, message: str, author: str) -> None:
        """Make a commit of the change, where the kept one is not of it."""
        tree = self.publication.change.tree
        if self.record.commit and self.record.tree == tree:
            return
        parents = await self._parents()
        sha = await commit_tree(
            self.git, self.run, tree, parents=parents, message=message, author=author
        )
        await self.keep(commit=sha, tree=tree)

    async def _parents(self) -> tuple[str, ...]:
        """The branch is never forced: over a newer base, what is on it is merged with that."""
        base, pushed = self.publication.base, self.record.pushed
        if not pushed or not base.moved:
            return (pushed or base.sha,)
        known = await self.git.run(
            *("merge-base", "--is-ancestor", base.sha, pushed),
            git_dir=str(self.run.git_of(base)),
            environment=run_objects(str(self.run.objects)),
        )
        return (pushed,) if known.ok else (pushed, base.sha)


async def commit_tree(
    git: Git, run: RunFolder, tree: str, *, parents: tuple[str, ...], message: str, author: str
) -> str:
    """A new commit among the run's own objects."""
    sha = await git.output(
        *("commit-tree", tree, *(word for sha in parents for word in ("-p", sha)), "-F", "-"),
        git_dir=str(run.base_git),
        stdin=message.encode(),
        environment={**run_objects(str(run.objects)), **identity(author)},
    )
    return sha.decode().strip()


def identity(author: str) -> dict[str, str]:
    """`Name <email>` as git takes it, for author and committer."""
    found = _AUTHOR.fullmatch(author)
    name, email = (found[1], found[2]) if found else ("coding-agent", "coding-agent@localhost")
    return {
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": email,
        "GIT_COMMITTER_NAME": name,
        "GIT_COMMITTER_EMAIL": email,
    }
