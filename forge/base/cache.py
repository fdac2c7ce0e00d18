"""Bare repositories that are kept from run to run, one for each repository of the forge.

A kept base is a row of *generations*, each a bare repository without alternates. Packs are added to
the newest one, by rename, and nothing in a generation is ever packed anew or removed: it goes as a
whole, once a newer one took its place and no run borrows from it. So what is fetched half, damaged
or full of packs costs a new generation and never disturbs a run.
"""

import asyncio
import hashlib
import re
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from forge.base.bare_repository import Tip, borrow_base, borrowed_from
from forge.base.cache_generation import Generation
from forge.core.repository_address import RepoAddress
from forge.core.retry import retry_transient
from forge.git.command import Git
from forge.git.transfer_errors import transfer_error
from graph import Emit, RetryPolicy
from graph.errors import BranchNotFound, GitFailed
from graph.files import locked, locked_if_free

_PASSABLE: Final = 0o711
_DAY_S: Final = 86_400.0
_NEWEST: Final = "refs/newest"
_FETCH: Final = (
    *("fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules"),
    *("--no-write-fetch-head", "--no-auto-maintenance", "--"),
)
_GONE: Final = "couldn't find remote ref"


@dataclass(frozen=True)
class Origin:
    """A repository of the forge, and how it is asked. `number` is the forge's own of it.

    A name may come to belong to another repository, whose readers are others; a number does not.
    """

    git: Git
    address: RepoAddress
    number: int
    emit: Emit
    retry_policy: RetryPolicy


class KeptBases:
    """The kept bases of one machine, below `folder`; those of `runs` borrow from them."""

    def __init__(self, folder: Path, *, runs: Path) -> None:
        self._folder = folder.resolve()
        self._runs = runs

    async def make_base(
        self, origin: Origin, tip: Tip, base_git: Path, *, cut_at: str = ""
    ) -> None:
        """Make `base_git`, which borrows every object. Raises RepositoryError or ForgeError.

        `tip` is what the forge has just told the one who asks: who may not read it has none.
        `cut_at`: further commits before which there is no history, a line each.
        """
        place = await asyncio.to_thread(self._place, origin)
        async with locked(_lock_of(place), shared=True):
            if await asyncio.to_thread(_borrowed_whole, place, tip, base_git, cut_at):
                return
        async with locked(_lock_of(place)):
            if await asyncio.to_thread(_borrowed_whole, place, tip, base_git, cut_at):
                return  # another run has fetched it meanwhile
            generation, tip = await _updated(place, origin, tip)
            await asyncio.to_thread(_borrow, generation, tip, base_git, cut_at)

    async def tidy(self, now: float, keep_days: int) -> None:
        """Remove the generations that no run borrows from: older ones, and all after disuse."""
        for lock in await asyncio.to_thread(lambda: list(self._folder.glob("*.lock"))):
            with locked_if_free(lock) as held:
                if held:
                    place, before = lock.with_suffix(""), now - keep_days * _DAY_S
                    await asyncio.to_thread(self._tidy, place, before)

    def _place(self, origin: Origin) -> Path:
        """The folder of a repository, wherever it is renamed to."""
        address = origin.address
        web = address.address.rpartition(f"/{address.owner}/")[0]
        digest = hashlib.sha256(f"{web}\n{origin.number}".encode()).hexdigest()[:16]
        name = re.sub(r"[^a-z0-9]+", "-", address.full_name.lower()).strip("-")[:40]
        known = next((path for path in self._folder.glob(f"*-{digest}")), None)
        place = known or self._folder / f"{name}-{digest}"
        for folder in (self._folder, place):
            folder.mkdir(mode=_PASSABLE, parents=True, exist_ok=True)
            folder.chmod(_PASSABLE)
        return place

    def _tidy(self, place: Path, before: float) -> None:
        _sweep(place)
        borrowed, newest = self._borrowed(), Generation.newest(place)
        for generation in Generation.all(place):
            unused = generation != newest or generation.used_at() < before
            if unused and generation.folder not in borrowed:
                generation.remove()

    def _borrowed(self) -> set[Path]:
        """The generations that bases of runs borrow from, also those that are being made."""
        bases = [*self._runs.glob("*/base*.git"), *self._runs.glob("*/.base-*")]
        return {objects.parent for base in bases if (objects := borrowed_from(base))}


def lacks_objects(base_git: Path) -> bool:
    """Whether a base no longer has what it borrows. Blocks."""
    objects = borrowed_from(base_git)
    return objects is not None and not Generation(objects.parent).sound()


def _lock_of(place: Path) -> Path:
    return place.with_name(f"{place.name}.lock")


def _borrowed_whole(place: Path, tip: Tip, base_git: Path, cut_at: str) -> bool:
    """Make the base without the network, where that can be."""
    newest = Generation.newest(place)
    if newest is None or not newest.holds(tip.sha):
        return False
    _borrow(newest, tip, base_git, cut_at)
    return True


def _borrow(generation: Generation, tip: Tip, base_git: Path, cut_at: str) -> None:
    generation.touch()
    config = (generation.folder / "config").read_bytes()
    own = f"{tip.sha}\n" if generation.cut_at(tip.sha) else ""
    borrow_base(base_git, tip, config, generation.objects, own + cut_at)


async def _updated(place: Path, origin: Origin, tip: Tip) -> tuple[Generation, Tip]:
    """The newest generation with the branch's newest commit in it, and that commit."""
    await asyncio.to_thread(_sweep, place)
    newest = await asyncio.to_thread(Generation.newest, place)
    if newest and not await asyncio.to_thread(newest.worn):
        try:
            return newest, await _fetched(place, newest, origin, tip)
        except GitFailed:
            pass  # damaged where nobody has looked: a new generation borrows nothing of it
    new = place / f".new-{secrets.token_hex(6)}"
    made = await Generation.begin(origin.git, new, tip.object_format)
    tip = await _fetched(place, made, origin, tip)
    return await asyncio.to_thread(made.become_newest, place), tip


async def _fetched(place: Path, generation: Generation, origin: Origin, tip: Tip) -> Tip:
    """Fetch the branch's newest commit into the generation; the commit that came."""

    async def attempt() -> Tip:
        twin = place / f".fetch-{secrets.token_hex(6)}"
        try:
            return await _fetch(twin, generation, origin, tip)
        finally:
            await asyncio.to_thread(shutil.rmtree, twin, ignore_errors=True)

    return await retry_transient(
        attempt, what="git fetch", emit=origin.emit, policy=origin.retry_policy
    )


async def _fetch(twin: Path, generation: Generation, origin: Origin, tip: Tip) -> Tip:
    """What comes lies in a repository of its own until it is whole."""
    git, full_name = origin.git, origin.address.full_name
    await asyncio.to_thread(generation.twin, twin)
    refspec = f"+refs/heads/{tip.branch}:{_NEWEST}"
    result = await git.transfer(*_FETCH, origin.address.clone_url, refspec, git_dir=str(twin))
    if _GONE in result.stderr:
        raise BranchNotFound(f"{full_name} has no branch {tip.branch} any more.")
    if not result.ok:
        raise transfer_error(result, full_name)
    sha = (await git.output("rev-parse", _NEWEST, git_dir=str(twin))).decode().strip()
    await asyncio.to_thread(generation.adopt, twin, sha)
    return Tip(tip.branch, sha)


def _sweep(place: Path) -> None:
    """Remove what those left behind who held the lock before."""
    for left in place.glob(".*"):
        shutil.rmtree(left, ignore_errors=True)
