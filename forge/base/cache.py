"""Bare repositories that are kept from run to run, one for each repository of the forge.

A run's base has the packs of the kept repository as its own, by hard links: nothing is copied, and
the kept one can be removed at any time.
"""

import asyncio
import contextlib
import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from forge.base.bare_repository import (
    Tip,
    link_base,
    link_packs,
    new_repository,
    put_in_place,
)
from forge.core.forge import Forge
from forge.core.repository_address import RepoAddress
from forge.core.retry import retry_transient
from forge.git.command import Git
from forge.git.transfer_errors import transfer_error
from graph import Emit
from graph.errors import BranchNotFound, GitFailed
from graph.files import locked, locked_if_free

MAX_PACKS: Final = 64
"""So many packs are looked through for every object; then a new repository is better."""
_DAY_S: Final = 86_400.0
_FETCH: Final = (
    *("fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules"),
    *("--no-write-fetch-head", "--no-auto-maintenance", "--"),
)
_NO_BRANCH: Final = "couldn't find remote ref"


@dataclass(frozen=True)
class Origin:
    """A repository of the forge, and how it is asked. `number` is the forge's own of it.

    A name may come to belong to another repository, whose readers are others; a number does not.
    """

    git: Git
    forge: Forge
    address: RepoAddress
    number: int
    emit: Emit


class KeptBases:
    """The kept repositories of one machine, below `folder`; `runs` is the folder of all runs."""

    def __init__(self, folder: Path, *, runs: Path) -> None:
        self._folder = folder.resolve()
        self._runs = runs

    async def make_base(
        self, origin: Origin, tip: Tip, base_git: Path, *, cut_at: str = ""
    ) -> None:
        """Make `base_git` of a branch. Raises RepositoryError or ForgeError.

        `tip` is what the forge has just told the one who asks: who may not read it has none.
        `cut_at`: further commits before which there is no history, a line each.
        """
        place = await asyncio.to_thread(self._find_place, origin)
        kept = _Kept(origin, place)
        async with locked(_lock_of(place), shared=True):
            if await kept.link(tip, base_git, cut_at):
                return
        async with locked(_lock_of(place)):
            if await kept.link(tip, base_git, cut_at):
                return  # another run has fetched it meanwhile
            with contextlib.suppress(GitFailed):
                if await kept.link(await kept.fetch(tip), base_git, cut_at):
                    return
            await asyncio.to_thread(self._remove, place)  # damaged
            if not await kept.link(await kept.fetch(tip), base_git, cut_at):
                raise GitFailed(f"The objects of {origin.address.full_name} did not come whole.")

    async def tidy(self, now: float, keep_days: int) -> None:
        """Remove the repositories that were not used for so long."""
        await asyncio.to_thread(self._tidy, now - keep_days * _DAY_S)

    def _tidy(self, before: float) -> None:
        self._end_borrowing()
        for lock in self._folder.glob("*.lock"):
            with locked_if_free(lock) as free:
                place = lock.with_suffix("")
                if free and place.exists() and _used_at(place) < before:
                    self._remove(place)

    def _remove(self, place: Path) -> None:
        self._end_borrowing()
        shutil.rmtree(place)

    def _end_borrowing(self) -> None:
        """Give a base that borrows by alternates, as one of an earlier release does, own packs."""
        for alternates in self._runs.glob("*/base*.git/objects/info/alternates"):
            objects = alternates.parents[1]
            link_packs((objects / alternates.read_text().strip()).resolve(), objects)
            alternates.unlink()

    def _find_place(self, origin: Origin) -> Path:
        """The folder of a repository, wherever it is renamed to."""
        address = origin.address
        web = address.address.rpartition(f"/{address.owner}/")[0]
        digest = hashlib.sha256(f"{web}\n{origin.number}".encode()).hexdigest()[:16]
        name = re.sub(r"[^a-z0-9]+", "-", address.full_name.lower()).strip("-")[:40]
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        known = self._folder.glob(f"*-{digest}")
        return next(known, self._folder / f"{name}-{digest}")


@dataclass(frozen=True)
class _Kept:
    """The kept repository of an origin, `NNNNNN.git` below `place`; the highest number counts."""

    origin: Origin
    place: Path

    @property
    def git_dir(self) -> Path:
        return _newest(self.place) or self.place / "000001.git"

    async def link(self, tip: Tip, base_git: Path, cut_at: str) -> bool:
        """Whether all objects of a commit are here; `base_git` is then made of them."""
        git_dir = await asyncio.to_thread(lambda: self.git_dir)
        async with new_repository(base_git) as new:
            if not await asyncio.to_thread(link_base, git_dir, new, tip):
                return False
            if whole := await self._holds_all(new, tip.sha):
                await asyncio.to_thread(put_in_place, new, base_git, cut_at)
            return whole

    async def fetch(self, tip: Tip) -> Tip:
        """Fetch the branch's newest commit; the commit that came. Raises GitFailed if damaged."""
        git, forge, address = self.origin.git, self.origin.forge, self.origin.address
        git_dir = await asyncio.to_thread(self._prepare)
        if not await self._holds_all(git_dir, "--all"):  # damaged, or not there yet
            await asyncio.to_thread(shutil.rmtree, git_dir, ignore_errors=True)
            await git.output(
                *("init", "--quiet", "--bare", "--template="),
                f"--object-format={tip.object_format}",
                str(git_dir),
            )
        ref = f"refs/kept/{hashlib.sha256(tip.branch.encode()).hexdigest()[:16]}"
        refspec = f"+refs/heads/{tip.branch}:{ref}"

        async def attempt() -> Tip:
            result = await git.transfer(*_FETCH, address.clone_url, refspec, git_dir=str(git_dir))
            if _NO_BRANCH in result.stderr:
                raise BranchNotFound(f"{address.full_name} has no branch {tip.branch} any more.")
            if not result.ok:
                raise transfer_error(result, address.full_name)
            sha = await git.output("rev-parse", ref, git_dir=str(git_dir))
            return Tip(tip.branch, sha.decode().strip())

        policy = forge.retry_policy
        return await retry_transient(
            attempt, what="git fetch", emit=self.origin.emit, policy=policy
        )

    async def _holds_all(self, git_dir: Path, commits: str) -> bool:
        """Whether a repository has all files of these commits, in packs that git can read."""
        walk = ("rev-list", "--objects", "--quiet", commits)
        return (await self.origin.git.run(*walk, git_dir=str(git_dir))).ok

    def _prepare(self) -> Path:
        """Its folder, without what a killed fetch left, and empty where it has too many packs."""
        git_dir = self.git_dir
        self.place.mkdir(mode=0o700, exist_ok=True)
        for left in (*git_dir.rglob("*.lock"), *git_dir.glob("objects/pack/tmp_*")):
            left.unlink()
        if len(list(git_dir.glob("objects/pack/*.pack"))) >= MAX_PACKS:
            shutil.rmtree(git_dir)
        return git_dir


def _newest(place: Path) -> Path | None:
    return max(place.glob("[0-9]*.git"), default=None)


def _used_at(place: Path) -> float:
    """When a base was made of it last, in Unix seconds."""
    newest = _newest(place)
    return max((path.stat().st_mtime for path in (newest or place).glob("used")), default=0.0)


def _lock_of(place: Path) -> Path:
    return place.with_name(f"{place.name}.lock")
