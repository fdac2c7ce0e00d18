"""One generation of a kept base: a bare repository to which packs are added and nothing is done."""

import asyncio
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import Field, ValidationError

from forge.base.bare_repository import read_shallow
from forge.git.command import Git
from graph import Value
from graph.files import write_whole

WORN: Final = 64
"""So many packs are looked through for every object; then a new generation is better."""

_NEGOTIATED: Final = 16
_PASSABLE: Final = 0o711
_READABLE_FOLDER: Final = 0o755
_READABLE_FILE: Final = 0o444
_ADDED: Final = (".pack", ".rev", ".idx")
"""In this order: git takes a pack for whole once its index is there."""


class Contents(Value):
    """What a generation must hold. A pack never changes, so that another time means damage."""

    tips: tuple[str, ...] = ()
    """The commits that were fetched, each with all files of its tree; the newest is the last."""
    files: dict[str, tuple[int, int]] = Field(default_factory=dict)
    """Size and time of change, in nanoseconds, by the name below `objects/pack`."""


@dataclass(frozen=True)
class Generation:
    """A folder `NNNNNN.git`; the one with the highest number is the newest."""

    folder: Path

    @classmethod
    def all(cls, place: Path) -> "list[Generation]":
        """Oldest first."""
        return [cls(folder) for folder in sorted(place.glob("[0-9]*.git"))]

    @classmethod
    def newest(cls, place: Path) -> "Generation | None":
        found = cls.all(place)
        return found[-1] if found else None

    @classmethod
    async def begin(cls, git: Git, folder: Path, object_format: str) -> "Generation":
        """An empty one, under a name that is not found."""
        await git.output(
            *("init", "--quiet", "--bare", "--template="),
            f"--object-format={object_format}",
            str(folder),
        )
        await asyncio.to_thread(_open_to_readers, folder)
        return cls(folder)

    def become_newest(self, place: Path) -> "Generation":
        """Take the next number."""
        newest = Generation.newest(place)
        number = int(newest.folder.stem) + 1 if newest else 1
        return Generation(self.folder.rename(place / f"{number:06d}.git"))

    @property
    def objects(self) -> Path:
        return self.folder / "objects"

    def sound(self) -> bool:
        """Whether every file is as it was added."""
        contents = self._contents()
        return contents is not None and all(
            _looks(self.objects / "pack" / name) == looks for name, looks in contents.files.items()
        )

    def holds(self, sha: str) -> bool:
        """Whether a commit and all its files can be borrowed."""
        contents = self._contents()
        return contents is not None and sha in contents.tips and self.sound()

    def worn(self) -> bool:
        contents = self._contents()
        return contents is None or len(contents.files) >= WORN * len(_ADDED) or not self.sound()

    def cut_at(self, sha: str) -> bool:
        """Whether the history before a commit is not here."""
        return sha in read_shallow(self.folder).split()

    def touch(self) -> None:
        """Remember that it was of use."""
        (self.folder / "used").touch(mode=0o600)

    def used_at(self) -> float:
        try:
            return (self.folder / "used").stat().st_mtime
        except FileNotFoundError:
            return self.folder.stat().st_mtime

    def twin(self, folder: Path) -> None:
        """Make a repository that borrows from this one and tells the forge what is here."""
        (folder / "refs").mkdir(parents=True)
        for name in ("HEAD", "config"):
            shutil.copyfile(self.folder / name, folder / name)
        for name in ("info", "pack"):
            (folder / "objects" / name).mkdir(parents=True)
        self._lend(folder)

    def adopt(self, other: Path, sha: str) -> None:
        """Take over the packs that came into a twin, and with them the commit `sha`.

        Cut short at any place, this leaves files that nobody misses or counts on.
        """
        before = self._contents() or Contents()
        files = dict(before.files)
        packs = self.objects / "pack"
        for ending in _ADDED:
            for came in sorted((other / "objects" / "pack").glob(f"*{ending}")):
                if came.name in files:
                    continue
                came.chmod(_READABLE_FILE)
                files[came.name] = _looks(came)
                came.rename(packs / came.name)
        write_whole(self.folder / "shallow", read_shallow(other).encode())
        tips = (*(tip for tip in before.tips if tip != sha), sha)
        contents = Contents(tips=tips, files=files)
        write_whole(self.folder / "contents.json", contents.model_dump_json().encode())

    def remove(self) -> None:
        """Free the name, then the disk."""
        gone = self.folder.with_name(f".gone-{secrets.token_hex(6)}")
        shutil.rmtree(self.folder.rename(gone), ignore_errors=True)

    def _lend(self, folder: Path) -> None:
        (folder / "objects" / "info" / "alternates").write_text(f"{self.objects}\n")
        (folder / "shallow").write_text(read_shallow(self.folder))
        contents = self._contents() or Contents()
        refs = sorted(set(contents.tips[-_NEGOTIATED:]))
        (folder / "packed-refs").write_text("".join(f"{sha} refs/kept/{sha}\n" for sha in refs))

    def _contents(self) -> Contents | None:
        try:
            return Contents.model_validate_json((self.folder / "contents.json").read_bytes())
        except (OSError, ValidationError):
            return None


def _open_to_readers(folder: Path) -> None:
    """The sandbox's user may pass to the objects and read them."""
    folder.chmod(_PASSABLE)
    for path in (folder / "objects", folder / "objects" / "info", folder / "objects" / "pack"):
        path.mkdir(exist_ok=True)
        path.chmod(_READABLE_FOLDER)


def _looks(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except FileNotFoundError:
        return (-1, -1)
    return status.st_size, status.st_mtime_ns
