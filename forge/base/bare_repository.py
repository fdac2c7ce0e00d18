"""The trusted bare repository of a run: made whole under a temporary name, then never written."""

import asyncio
import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from forge.git.command import LOCAL, Git
from forge.git.environment import ATTRIBUTES
from graph.errors import BranchNotFound, EmptyRepository, RepositoryTooLarge
from graph.files import write_whole

_SHA256_DIGITS = 64
_PACK_FILES = (".pack", ".rev", ".idx")
"""In this order: git takes a pack for whole once its index is there."""
_PASSABLE = 0o711
_READABLE_FOLDER = 0o755
_READABLE_FILE = 0o444
_QUESTIONS = "{rev}^{{commit}}\n{rev}^{{tree}}\n{rev}:.gitmodules\n"
_FORMAT = "--batch-check=%(objectname) %(objecttype)"
_LFS = r"^[[:space:]]*[^#[:space:]].*[[:space:]]filter=lfs([[:space:]]|$)"
_ATTRIBUTE_FILES = ":(glob)**/.gitattributes"
_HEAD = "ref: refs/heads/"
MOST_FILES: Final = 250_000
_LISTING: Final = replace(LOCAL, output_bytes=16 * MOST_FILES)
_SUBMODULES_STAY = "Submodules are left as they are; their files are not there."
_POINTERS_STAY = (
    "Files in Git LFS are left as they are; their pointers are there, not the contents."
)


@dataclass(frozen=True)
class Head:
    """The commit that a bare repository's HEAD names."""

    branch: str
    sha: str
    tree: str
    submodules: bool
    lfs: bool
    bytes: int = 0
    """Of all its files together, as a checkout has them."""
    version: str = ""
    """What the commit would be released as."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know of its contents, a sentence each."""
        notes = ((self.submodules, _SUBMODULES_STAY), (self.lfs, _POINTERS_STAY))
        return tuple(note for holds, note in notes if holds)


@dataclass(frozen=True)
class Tip:
    """A branch and the newest commit that the forge has of it."""

    branch: str
    sha: str
    version: str = ""
    """What the commit would be released as."""

    @property
    def object_format(self) -> str:
        """How the repository names its objects."""
        return "sha256" if len(self.sha) == _SHA256_DIGITS else "sha1"


@contextlib.asynccontextmanager
async def new_repository(base_git: Path) -> AsyncIterator[Path]:
    """A name beside `base_git` to make the repository at; what is left there is removed."""
    new = base_git.with_name(f".base-{secrets.token_hex(6)}")
    try:
        yield new
    finally:
        await asyncio.to_thread(shutil.rmtree, new, ignore_errors=True)


def put_in_place(new: Path, base_git: Path, cut_at: str = "") -> None:
    """Give a complete repository its modes and its name; one that is there already stays.

    `cut_at`: further commits before which there is no history, a line each.
    """
    if cut_at:
        write_whole(new / "shallow", f"{read_shallow(new)}{cut_at}".encode())
    write_whole(new / "info" / "attributes", ATTRIBUTES)
    objects = new / "objects"
    for folder, _, files in os.walk(objects):
        Path(folder).chmod(_READABLE_FOLDER)
        for name in files:
            (Path(folder) / name).chmod(_READABLE_FILE)
    new.chmod(_PASSABLE)
    try:
        new.rename(base_git)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise


def link_base(kept: Path, new: Path, tip: Tip) -> bool:
    """Make a repository of one branch that has all packs of another; False where that is none."""
    try:
        config = (kept / "config").read_bytes()
    except FileNotFoundError:
        return False
    (kept / "used").touch(mode=0o600)
    cut_at = f"{tip.sha}\n" if tip.sha in read_shallow(kept).split() else ""
    _write_repository(new, config, tip, cut_at)
    link_packs(kept / "objects", new / "objects")
    return True


def copy_base(base_git: Path, new: Path, tip: Tip) -> None:
    """Make a repository of one branch that has all that the base of a run has."""
    _write_repository(new, (base_git / "config").read_bytes(), tip, read_shallow(base_git))
    link_packs(base_git / "objects", new / "objects")


def _write_repository(new: Path, config: bytes, tip: Tip, cut_at: str) -> None:
    write_whole(new / "config", config)
    write_whole(new / "packed-refs", f"{tip.sha} refs/heads/{tip.branch}\n".encode())
    write_whole(new / "HEAD", f"{_HEAD}{tip.branch}\n".encode())
    (new / "refs").mkdir(mode=0o700)
    if cut_at:
        write_whole(new / "shallow", cut_at.encode())


def link_packs(source: Path, target: Path) -> None:
    """Give a folder of objects the packs of another, by hard links where the disk has them."""
    (target / "pack").mkdir(mode=0o700, parents=True, exist_ok=True)
    for ending in _PACK_FILES:
        for file in (source / "pack").glob(f"*{ending}"):
            link = target / "pack" / file.name
            try:
                link.hardlink_to(file)
            except FileExistsError:
                continue
            except OSError:
                shutil.copy2(file, link)


def read_shallow(git_dir: Path) -> str:
    """The commits before which a repository has no history, a line each."""
    try:
        return (git_dir / "shallow").read_text()
    except FileNotFoundError:
        return ""


async def read_head(git: Git, git_dir: Path, full_name: str, rev: str = "HEAD") -> Head:
    """The repository's HEAD, or another commit with the branch of that.

    Raises EmptyRepository, BranchNotFound, RepositoryTooLarge.
    """
    head = await asyncio.to_thread((git_dir / "HEAD").read_text)
    asked = _QUESTIONS.format(rev=rev).encode()
    answer = await git.output("cat-file", _FORMAT, git_dir=str(git_dir), stdin=asked)
    found = [line.split(" ") for line in answer.decode().splitlines()]
    commit, tree, modules = found[:3]
    if commit[-1] != "commit":
        raise EmptyRepository(f"{full_name} has no commit to start from.")
    if not head.startswith(_HEAD):
        raise BranchNotFound(f"{full_name} has a tag of that name, not a branch.")
    branch = head.removeprefix(_HEAD).strip()
    size = await _size(git, git_dir, full_name, rev)
    pointers = await git.run(
        *("grep", "--quiet", "-E", _LFS, rev, "--", _ATTRIBUTE_FILES),
        git_dir=str(git_dir),
        environment={"GIT_LITERAL_PATHSPECS": "0"},
    )
    modules_there = modules[-1] == "blob"
    return Head(branch, commit[0], tree[0], modules_there, lfs=pointers.ok, bytes=size)


async def read_parent(git: Git, git_dir: Path) -> str:
    """The commit before HEAD, empty where there is none."""
    found = await git.run("rev-parse", "--quiet", "--verify", "HEAD^", git_dir=str(git_dir))
    return found.stdout.decode().strip() if found.ok else ""


async def _size(git: Git, git_dir: Path, full_name: str, rev: str) -> int:
    """The bytes of all files. Few objects may name more files than any disk holds."""
    lists = ("ls-tree", "-r", "-z", "--format=%(objectsize)", rev)
    listed = await git.run(*lists, git_dir=str(git_dir), limits=_LISTING)
    if listed.over or listed.stdout.count(b"\0") >= MOST_FILES:
        raise RepositoryTooLarge(f"{full_name} has more than {MOST_FILES} files.")
    if not listed.ok:
        raise listed.failure()
    return await asyncio.to_thread(_sum_of, listed.stdout)


def _sum_of(sizes: bytes) -> int:
    return sum(int(size) for size in sizes.split(b"\0") if size.isdigit())
