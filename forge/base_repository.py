"""The trusted bare repository of a run: made whole under a temporary name, then never written."""

import asyncio
import contextlib
import errno
import os
import re
import secrets
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from forge.git_environment import ATTRIBUTES
from forge.runner import Git
from graph.errors import BranchNotFound, EmptyRepository

_PASSABLE = 0o711
_READABLE_FOLDER = 0o755
_READABLE_FILE = 0o444
_QUESTIONS = b"HEAD^{commit}\nHEAD^{tree}\nHEAD:.gitmodules\nHEAD:.gitattributes\n"
_FORMAT = "--batch-check=%(objectname) %(objecttype)"
_LFS = re.compile(rb"(?m)^[ \t]*[^#\s].*[ \t]filter=lfs(?:[ \t\r]|$)")
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


@contextlib.asynccontextmanager
async def new_repository(base_git: Path) -> AsyncIterator[Path]:
    """A name beside `base_git` to make the repository at; what is left there is removed."""
    new = base_git.with_name(f".base-{secrets.token_hex(6)}")
    try:
        yield new
    finally:
        await asyncio.to_thread(shutil.rmtree, new, ignore_errors=True)


def put_in_place(new: Path, base_git: Path) -> None:
    """Give a complete repository its modes and its name; one that is there already stays."""
    attributes = new / "info" / "attributes"
    attributes.parent.mkdir(mode=0o700, exist_ok=True)
    attributes.touch(mode=0o600)
    attributes.write_bytes(ATTRIBUTES)
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


async def read_head(git: Git, git_dir: Path, full_name: str) -> Head:
    """The repository's HEAD. Raises EmptyRepository, BranchNotFound."""
    head = await asyncio.to_thread((git_dir / "HEAD").read_text)
    answer = await git.output("cat-file", _FORMAT, git_dir=str(git_dir), stdin=_QUESTIONS)
    found = [line.split(" ") for line in answer.decode().splitlines()]
    commit, tree, modules, attributes = found[:4]
    if commit[-1] != "commit":
        raise EmptyRepository(f"{full_name} has no commit to start from.")
    if not head.startswith(_HEAD):
        raise BranchNotFound(f"{full_name} has a tag of that name, not a branch.")
    branch = head.removeprefix(_HEAD).strip()
    lfs = False
    if attributes[-1] == "blob":
        rules = await git.output("cat-file", "blob", attributes[0], git_dir=str(git_dir))
        lfs = bool(_LFS.search(rules))
    return Head(branch, commit[0], tree[0], submodules=modules[-1] == "blob", lfs=lfs)
