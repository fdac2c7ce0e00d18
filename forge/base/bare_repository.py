"""The trusted bare repository of a run: made whole under a temporary name, then never written."""

import asyncio
import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from forge.git.command import Git
from forge.git.environment import ATTRIBUTES
from graph.errors import BranchNotFound, EmptyRepository
from graph.files import write_whole

_SHA256_DIGITS = 64
_PASSABLE = 0o711
_READABLE_FOLDER = 0o755
_READABLE_FILE = 0o444
_QUESTIONS = b"HEAD^{commit}\nHEAD^{tree}\nHEAD:.gitmodules\n"
_FORMAT = "--batch-check=%(objectname) %(objecttype)"
_LFS = r"^[[:space:]]*[^#[:space:]].*[[:space:]]filter=lfs([[:space:]]|$)"
_ATTRIBUTE_FILES = ":(glob)**/.gitattributes"
_HEAD = "ref: refs/heads/"
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

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know of its contents, a sentence each."""
        told = ((self.submodules, _SUBMODULES_STAY), (self.lfs, _POINTERS_STAY))
        return tuple(note for holds, note in told if holds)


@dataclass(frozen=True)
class Tip:
    """A branch and the newest commit that the forge has of it."""

    branch: str
    sha: str

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


def borrow_base(base_git: Path, tip: Tip, config: bytes, objects: Path, cut_at: str) -> None:
    """Make a repository of one branch that has no object but those below `objects`.

    `cut_at`: commits before which there is no history, a line each. The way to the objects is told
    by names alone, so that the folder of all data can be moved.
    """
    new = base_git.with_name(f".base-{secrets.token_hex(6)}")
    way = os.path.relpath(objects, base_git.parent.resolve() / base_git.name / "objects")
    try:
        for folder in (new, new / "refs", new / "objects", new / "objects" / "pack"):
            folder.mkdir(mode=0o700)
        write_whole(new / "config", config)
        write_whole(new / "packed-refs", f"{tip.sha} refs/heads/{tip.branch}\n".encode())
        write_whole(new / "objects" / "info" / "alternates", f"{way}\n".encode())
        write_whole(new / "HEAD", f"{_HEAD}{tip.branch}\n".encode())
        put_in_place(new, base_git, cut_at)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def read_shallow(git_dir: Path) -> str:
    """The commits before which a repository has no history, a line each."""
    try:
        return (git_dir / "shallow").read_text()
    except FileNotFoundError:
        return ""


def borrowed_from(base_git: Path) -> Path | None:
    """The folder of objects that a base borrows from, None where it has its own."""
    objects = base_git / "objects"
    try:
        way = (objects / "info" / "alternates").read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return (objects / way).resolve()


async def read_head(git: Git, git_dir: Path, full_name: str) -> Head:
    """The repository's HEAD. Raises EmptyRepository, BranchNotFound."""
    head = await asyncio.to_thread((git_dir / "HEAD").read_text)
    answer = await git.output("cat-file", _FORMAT, git_dir=str(git_dir), stdin=_QUESTIONS)
    found = [line.split(" ") for line in answer.decode().splitlines()]
    commit, tree, modules = found[:3]
    if commit[-1] != "commit":
        raise EmptyRepository(f"{full_name} has no commit to start from.")
    if not head.startswith(_HEAD):
        raise BranchNotFound(f"{full_name} has a tag of that name, not a branch.")
    branch = head.removeprefix(_HEAD).strip()
    pointers = await git.run(
        *("grep", "--quiet", "-E", _LFS, "HEAD", "--", _ATTRIBUTE_FILES),
        git_dir=str(git_dir),
        environment={"GIT_LITERAL_PATHSPECS": "0"},
    )
    return Head(branch, commit[0], tree[0], submodules=modules[-1] == "blob", lfs=pointers.ok)
