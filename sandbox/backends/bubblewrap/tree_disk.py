"""A disk of its own for each tree: the kernel holds it to its bytes and files, at once.

It is an ext4 file system in a sparse file of the tree's folder, mounted where this process and
its commands alone see it. It has no journal: after a loss of power it is repaired, or the tree is
made anew.
"""

import contextlib
import logging
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from graph.errors import SandboxLost
from sandbox.host.private_mount import MountedFile, Step
from sandbox.tree.checkout import PARTS, make_parts
from sandbox.tree.environment import SYSTEM_PATH

log = logging.getLogger(__name__)

IMAGE, PLACE = "disk.img", "disk"
RESERVE_FILE = "kept-room"
"""A file beside the parts, where no command gets, that takes up this part of a disk, or less."""
RESERVE_SHARE, RESERVE_MAX_BYTES = 16, 16 << 20

FILES_PER_MB = 256
PROGRAMS = f"{SYSTEM_PATH}:/usr/sbin:/sbin"

_FORMAT = ("-q", "-F", "-O", "^has_journal,^resize_inode", "-b", "4096", "-I", "256", "-m", "0")
_OPTIONS = "loop,nosuid,nodev,noatime,noinit_itable,barrier=0,errors=remount-ro"
_REPAIRED = 1
_STATE_AT, _CLEAN = 1024 + 0x3A, 1
_FULL_BELOW_BYTES = 64 << 10
_TRIAL_MB = 8
_WITHIN_S = 60


def _nothing() -> None:
    pass


class Disk:
    """One use of a tree's disk."""

    def __init__(self, tree: Path, file: MountedFile, nsenter: str) -> None:
        self.tree = tree
        """Where the tree's parts are, for a command line that begins with `enter`."""
        self.enter = file.entering(nsenter)
        self._file = file

    @property
    def is_full(self) -> bool:
        """Whether there is no room for one more file, or next to none for bytes."""
        left = self._file.room()
        return left.f_favail == 0 or left.f_bavail * left.f_frsize < _FULL_BELOW_BYTES

    @property
    def half_full(self) -> bool:
        """Whether half of it is taken: what says that there is no room may well be right."""
        left = self._file.room()
        return left.f_bavail < left.f_blocks // 2 or left.f_favail < left.f_files // 2

    def release_reserve(self) -> None:
        """Let go of the room that was kept, so that a full tree can still be cleaned and saved."""
        self._file.remove(RESERVE_FILE)

    def close(self) -> None:
        """Blocks."""
        self._file.close()


@dataclass(frozen=True)
class Disks:
    """Makes disks, and mounts those that are there.

    `missing` says why none can be had: trees then lie on the disk of the data folder, and a watcher
    holds them to their limit.
    """

    state: Path
    programs: str = PROGRAMS
    missing: str = ""

    def describe(self) -> str:
        """Who holds a tree to its limit."""
        return f"a watcher: {self.missing}" if self.missing else "the kernel"

    def has(self, folder: Path) -> bool:
        """Whether the tree in a folder is on a disk of its own."""
        with contextlib.suppress(FileNotFoundError):
            return not self.missing and stat.S_ISREG((folder / IMAGE).lstat().st_mode)
        return False

    def open(self, folder: Path, uid: int | None, disk_mb: int) -> Disk | None:
        """The disk of a tree, made where its parts are still empty; None where it has none.

        Blocks. Raises SandboxLost: it was damaged.
        """
        if self.has(folder):
            return self._open_existing(folder)
        if self.missing or any(any((folder / part).iterdir()) for part in PARTS):
            return None
        if _free(folder) < disk_mb << 20:
            log.warning("A tree is held to its limit by a watcher: its disk would not fit here.")
            return None
        try:
            return self.make(folder, uid, disk_mb)
        except OSError as error:
            log.warning("A tree is held to its limit by a watcher. %s", error)
            return None

    def make(self, folder: Path, uid: int | None, disk_mb: int) -> Disk:
        """A new disk in place of a tree's empty parts. Blocks. Raises OSError, and leaves them."""
        image, place = folder / IMAGE, folder / PLACE
        try:
            self._format(image, disk_mb)
            disk = self._mount(folder, then=partial(make_parts, place, uid))
        except OSError:
            image.unlink(missing_ok=True)
            raise
        if uid is not None:
            os.chown(place, uid, uid)
        for part in PARTS:
            (folder / part).rmdir()
        return disk

    def _open_existing(self, folder: Path) -> Disk:
        image = folder / IMAGE
        try:
            return self._mount(folder, partial(self._repair, image))
        except OSError as error:
            image.unlink()
            raise SandboxLost(f"the disk of a tree was damaged: {error}") from error

    def _mount(self, folder: Path, first: Step = _nothing, then: Step = _nothing) -> Disk:
        """Raises OSError."""
        place = folder / PLACE
        place.mkdir(mode=0o711, exist_ok=True)
        ext4 = (self._program("mount"), "-t", "ext4", "-o", _OPTIONS)
        line: Sequence[str | Path] = [*ext4, folder / IMAGE, place]

        def mount() -> None:
            _run(line)
            then()
            _make_reserve(place)

        file = MountedFile(folder / IMAGE, place, first=first, mount=mount)
        return Disk(place, file, self._program("nsenter"))

    def _repair(self, image: Path) -> None:
        with image.open("rb") as file:
            file.seek(_STATE_AT)
            if file.read(2) == _CLEAN.to_bytes(2, "little"):
                return
        _run([self._program("e2fsck"), "-p", image], good=(0, _REPAIRED))

    def _format(self, image: Path, disk_mb: int) -> None:
        """An empty disk in a sparse file."""
        files = disk_mb * FILES_PER_MB
        image.touch(mode=0o600, exist_ok=False)
        os.truncate(image, (disk_mb << 20) + files * 256)
        _run([self._program("mkfs.ext4"), *_FORMAT, "-N", str(files), image])

    def _program(self, name: str) -> str:
        found = shutil.which(name, path=self.programs)
        if found is None:
            raise FileNotFoundError(f"{name} is not installed")
        return found


def find_disks(state: Path, programs: str = PROGRAMS) -> Disks:
    """Those of this machine, where one can be made, mounted and entered. Blocks."""
    if os.geteuid() != 0:
        return Disks(state, missing="not started by root")
    disks = Disks(state, programs)
    try:
        state.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".disk-", dir=state) as name:
            folder = Path(name)
            make_parts(folder, None)
            disk = disks.make(folder, None, _TRIAL_MB)
            try:
                _run([*disk.enter, "/bin/true"])
            finally:
                disk.close()
    except OSError as error:
        return Disks(state, missing=str(error))
    return disks


def _make_reserve(place: Path) -> None:
    """Where there is plenty; it is taken without being written."""
    room = os.statvfs(place)
    size = min(room.f_blocks * room.f_frsize // RESERVE_SHARE, RESERVE_MAX_BYTES)
    if room.f_bavail * room.f_frsize > 4 * size and not (place / RESERVE_FILE).exists():
        with (place / RESERVE_FILE).open("xb") as file:
            os.posix_fallocate(file.fileno(), 0, size)


def _run(line: Sequence[str | Path], good: tuple[int, ...] = (0,)) -> None:
    """Raises OSError with what the program said."""
    name = Path(line[0]).name
    try:
        done = subprocess.run(
            line,
            capture_output=True,
            cwd="/",
            env={},
            stdin=subprocess.DEVNULL,
            check=False,
            timeout=_WITHIN_S,
        )
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{name}: not done in {_WITHIN_S} s") from error
    if done.returncode not in good:
        said = " ".join((done.stdout + done.stderr).decode(errors="replace").split())
        raise OSError(f"{name}: {said[-300:] or done.returncode}")


def _free(folder: Path) -> int:
    left = os.statvfs(folder)
    return left.f_bavail * left.f_frsize
