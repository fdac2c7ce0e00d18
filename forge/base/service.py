"""The base of a run: cloned from the forge or fetched from a checkout, and changes read on it."""

import asyncio
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from forge.base.bare_repository import Head, Tip, read_head, read_parent
from forge.base.cache import KeptBases, Origin
from forge.base.clone import clone, tip_of
from forge.base.local_checkout import DETACHED, Checkout
from forge.base.pull_ground import GroundMaker, describe_ground, read_pull_head, read_start
from forge.base.pull_merge import merge_ground
from forge.base.request_pictures import keep_request_pictures
from forge.base.uncommitted_changes import UncommittedChanges
from forge.core.branch_names import check_base_branch
from forge.core.forge import Forge, PullFacts, RepositoryFacts, check_open, check_token
from forge.core.repository_address import RepoAddress, parse
from forge.git.apply_patch import PATCH, compare, read_change
from forge.git.command import Git
from forge.git.identity import NOBODY, identity
from graph import (
    Base,
    Change,
    ChangeRef,
    Commit,
    Emit,
    Finding,
    PicturePlace,
    PullAddress,
    PullGround,
    Repositories,
    RequestPicture,
    RunFolder,
)
from graph.calls import end_tasks
from graph.errors import (
    InvalidRequest,
    RepositoryArchived,
    RepositoryNotAllowed,
    RepositoryTooLarge,
)
from graph.files import store_change

T = TypeVar("T")

DEFAULT_LARGEST_MB: Final = 2048
_UNCOMMITTED = "Uncommitted changes of the checkout are not included."
_INCLUDED = (
    "Uncommitted changes of tracked files are included: they are the branch's first commit. "
    "Untracked files are not."
)


class GitRepositories(Repositories):
    """Repositories below one address, and with `allow_local` checkouts on this machine.

    `allowed` says whether a full name may be worked on; asked again when it was renamed. `kept`:
    bases borrow from what is kept of earlier runs; without it each is a clone of its own. A base is
    at most `largest_mb` MiB as a checkout.
    """

    def __init__(
        self,
        *,
        runs: Path,
        forge: Forge,
        allow_local: bool,
        allowed: Callable[[str], bool],
        kept: KeptBases | None = None,
        largest_mb: int = DEFAULT_LARGEST_MB,
    ) -> None:
        self._largest_mb = largest_mb
        self._runs = runs
        self._forge = forge
        self._web = forge.access.web
        self._allow_local = allow_local
        self._allowed = allowed
        self._kept = kept
        self._git = Git(forge.access, hide=(str(runs),))

    async def prepare(
        self,
        run_id: str,
        repo_url: str,
        branch: str | None,
        emit: Emit,
        *,
        include_uncommitted: bool = False,
    ) -> Base:
        address = parse(repo_url, self._web, allow_local=self._allow_local)
        if branch is not None:
            check_base_branch(branch)
        run = RunFolder.of(self._runs, run_id)
        if include_uncommitted and (branch is not None or not address.local):
            raise InvalidRequest(
                "Uncommitted changes are those of a checkout, on its current branch.",
                "Give the path of a checkout and no base branch.",
                field="includeUncommitted",
            )
        if address.local:
            return await self._from_checkout(run, address.local, branch, include_uncommitted)
        return await self._from_forge(run, address, branch, emit)

    async def prepare_pull(self, run_id: str, url: str, emit: Emit) -> Base:
        named = PullAddress.parse(url)
        address = parse(named.repo_url, self._web, allow_local=False)
        run = RunFolder.of(self._runs, run_id)
        self._check_allowed(address.full_name)
        check_token(self._forge, address.full_name, hint="then run again")
        facts, pull = await asyncio.gather(
            self._forge.repository(address.full_name, emit),
            self._forge.pull(address.full_name, named.number, emit),
        )
        account = await self._forge.account(emit)  # known by now where its App opened this
        check_open(pull)
        present, _ = self._present_address(address, facts)
        if not await asyncio.to_thread(run.base_git.exists):
            await self._make_ground(run, present, facts, pull, emit)
        trusted = await read_head(self._git, run.base_git, present.full_name)
        head = await read_pull_head(self._git, run.base_git, present.full_name)
        self._check_size(head, present.full_name)
        start = await read_start(self._git, run.base_git)
        ground = PullGround(
            number=pull.number,
            url=pull.url,
            head_repo=pull.head_repo,
            head_branch=pull.head_branch,
            start=start,
            fork=pull.head_repo.lower() != present.full_name.lower(),
            ours=pull.author.lower() == account.login.lower(),
        )
        base = _base(present.address, present.full_name, head, list(head.notes))
        of_pull = {"pull": ground, "trusted": Commit(sha=trusted.sha, tree=trusted.tree)}
        base = base.model_copy(update={**of_pull, **_rights(facts)})
        await describe_ground(self._git, run, base)
        return base

    async def _make_ground(
        self,
        run: RunFolder,
        address: RepoAddress,
        facts: RepositoryFacts,
        pull: PullFacts,
        emit: Emit,
    ) -> None:
        """Make the run's base of the branch that a pull request goes to, then of its head."""
        place = run.root / "trusted.git"
        found = await self._begin(place, address, pull.base_branch, emit)
        trusted = await self._head(place, address, facts, found, emit)
        ref = self._forge.pull_ref(pull.number)
        maker = GroundMaker(self._git, self._forge, address, ref, emit)
        await maker.make(place, trusted, run.base_git, address.full_name)
        await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)

    async def read_pull(self, run_id: str, base: Base) -> tuple[Base, Change]:
        assert base.pull
        run, start = RunFolder.of(self._runs, run_id), base.pull.start
        patch = await compare(self._git, run, *PATCH, start.tree, base.tree)
        ref = await asyncio.to_thread(store_change, run, 0, "pull", patch)
        began = base.model_copy(update=start.model_dump())
        return began, await read_change(self._git, run, began, ref)

    async def merge_pull(self, run_id: str, base: Base) -> tuple[Base, Change, tuple[Finding, ...]]:
        return await merge_ground(self._git, RunFolder.of(self._runs, run_id), base)

    async def keep_pictures(
        self, run_id: str, base: Base, issue: int, places: Sequence[PicturePlace]
    ) -> tuple[RequestPicture, ...]:
        folder = RunFolder.of(self._runs, run_id).pictures
        return await keep_request_pictures(self._forge, folder, base.full_name, issue, places)

    async def read_change(self, run_id: str, base: Base, ref: ChangeRef) -> Change:
        return await read_change(self._git, RunFolder.of(self._runs, run_id), base, ref)

    async def _from_forge(
        self, run: RunFolder, address: RepoAddress, branch: str | None, emit: Emit
    ) -> Base:
        """Ask the forge's API and git at the same time; what the API says comes first."""
        self._check_allowed(address.full_name)
        check_token(self._forge, address.full_name, hint="or give the path of a local checkout")
        asked = asyncio.create_task(self._forge.repository(address.full_name, emit))
        begun = asyncio.create_task(self._begin(run.base_git, address, branch, emit))
        try:
            facts = await asked
            present, renamed = self._present_address(address, facts)
            if renamed:
                await end_tasks(begun)
                found = await self._begin(run.base_git, present, branch, emit)
            else:
                found = await begun
        finally:
            await end_tasks(asked, begun)
        head = await self._head(run.base_git, present, facts, found, emit)
        self._check_size(head, present.full_name)
        notes = _forge_notes(address, facts, head)
        base = _base(present.address, present.full_name, head, notes)
        return base.model_copy(update=_rights(facts))

    def _present_address(
        self, address: RepoAddress, facts: RepositoryFacts
    ) -> tuple[RepoAddress, bool]:
        """The address under the repository's present name, and whether that is another."""
        present = parse(f"{self._web}/{facts.full_name}", self._web, allow_local=False)
        self._check_allowed(present.full_name)
        if facts.archived:
            raise RepositoryArchived(f"{present.full_name} is archived and takes no changes.")
        return present, present.full_name.lower() != address.full_name.lower()

    async def _begin(
        self, place: Path, address: RepoAddress, branch: str | None, emit: Emit
    ) -> Head | Tip:
        """As far as one comes by the name alone: a base of its own, or what the forge has now."""
        if await asyncio.to_thread(place.exists):
            return await read_head(self._git, place, address.full_name)
        make = tip_of if self._kept else partial(clone, base_git=place)
        return await make(
            self._git, address, branch, emit=emit, retry_policy=self._forge.retry_policy
        )

    async def _head(
        self,
        place: Path,
        address: RepoAddress,
        facts: RepositoryFacts,
        found: Head | Tip,
        emit: Emit,
    ) -> Head:
        if isinstance(found, Head):
            return found
        assert self._kept
        origin = Origin(self._git, self._forge, address, facts.number, emit)
        await self._kept.make_base(origin, found, place)
        head = await read_head(self._git, place, address.full_name)
        return replace(head, version=found.version)

    async def _from_checkout(
        self, run: RunFolder, path: Path, branch: str | None, include: bool
    ) -> Base:
        checkout = await Checkout.find(self._git, path)
        uncommitted = asyncio.create_task(checkout.has_uncommitted(self._git))
        make = (
            partial(self._commit_uncommitted, checkout) if include and not checkout.bare else None
        )
        try:
            if not await asyncio.to_thread(run.base_git.exists):
                await checkout.fetch_into(self._git, branch, run.base_git, make)
            head = await read_head(self._git, run.base_git, checkout.folder.name)
            self._check_size(head, checkout.folder.name)
            parent = await read_parent(self._git, run.base_git) if include else ""
            version = await checkout.version(self._git, parent or head.sha)
            head = replace(head, version=version)
            notes = [_INCLUDED if parent else _UNCOMMITTED] if await uncommitted else []
        finally:
            await end_tasks(uncommitted)
        notes += head.notes
        name = checkout.folder.name
        base = _base(str(checkout.folder), name, head, notes, local=True)
        return base.model_copy(update={"parent": parent})

    async def _commit_uncommitted(self, checkout: Checkout, new: Path, branch: str) -> None:
        head = await self._git.output("rev-parse", f"refs/heads/{branch}", git_dir=str(new))
        author = identity(await checkout.identity(self._git) or NOBODY)
        commit = head.decode().strip()
        async with UncommittedChanges.open(self._git, checkout, commit) as changes:
            await changes.commit_into(new, branch, author)

    def _check_size(self, head: Head, full_name: str) -> None:
        if head.bytes > self._largest_mb << 20:
            raise RepositoryTooLarge(
                f"The files of {full_name} are {head.bytes >> 20} MiB; a tree holds"
                f" {self._largest_mb} MiB (CODING_AGENT_COMMAND_DISK_MB).",
                "Raise CODING_AGENT_COMMAND_DISK_MB, or work on a smaller repository.",
            )

    def _check_allowed(self, full_name: str) -> None:
        if not self._allowed(full_name):
            raise RepositoryNotAllowed(f"{full_name} was not found.")


def _rights(facts: RepositoryFacts) -> dict[str, bool]:
    return {"public": not facts.private, "writable": facts.push}


def _forge_notes(address: RepoAddress, facts: RepositoryFacts, head: Head) -> list[str]:
    notes = list(head.notes)
    if facts.full_name.lower() != address.full_name.lower():
        notes.append(f"The repository {address.full_name} is now {facts.full_name}.")
    if not facts.push:
        notes.append(f"The token's account has no right to push to {facts.full_name}.")
    return notes


def _base(
    address: str, full_name: str, head: Head, notes: list[str], *, local: bool = False
) -> Base:
    return Base(
        address=address,
        full_name=full_name,
        branch=head.branch or DETACHED,
        sha=head.sha,
        tree=head.tree,
        local=local,
        notes=tuple(notes),
        version=head.version,
    )
