"""A kept set-up put into a tree without copying what package managers installed.

Installed files get one more name in the tree. They belong to neither the tree's user nor its group
and are not writable for others: commands can read them, remove their names and put others in
their place, and no tree can alter what another reads. Everything else is copied, for the tree's
user to write.

Only root can do so. Nothing runs in either folder meanwhile. Both are walked by descriptors, and no
link is followed.
"""

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_INSTALLED: Final = {"site-packages", "node_modules"}
"""Folders whose files package managers replace and do not write to."""
_PNPM_STORE: Final = ".pnpm"
_DEEPEST: Final = 100
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_UNLINKABLE: Final = {errno.EMLINK, errno.EXDEV, errno.EPERM}
_PIECE: Final = 1 << 24


@dataclass(frozen=True)
class _Pair:
    """Two open folders, and whether what lies in the first was installed."""

    source: int
    target: int
    uid: int
    depth: int = 0
    installed: bool = False


def link_files(source: Path, target: Path, uid: int) -> None:
    """Put the files of `source` into `target`, for `uid`; what is there already stays.

    Blocks. Raises OSError: the disk is full, or folders lie too deep.
    """
    source_fd = os.open(source, _FOLDER)
    try:
        target_fd = os.open(target, _FOLDER)
        try:
            _fill(_Pair(source_fd, target_fd, uid))
        finally:
            os.close(target_fd)
    finally:
        os.close(source_fd)


def _fill(pair: _Pair) -> None:
    with os.scandir(pair.source) as entries:
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            try:
                if stat.S_ISDIR(status.st_mode):
                    _put_folder(pair, entry.name, status)
                elif stat.S_ISLNK(status.st_mode):
                    link = os.readlink(entry.name, dir_fd=pair.source)
                    os.symlink(link, entry.name, dir_fd=pair.target)
                    _own(pair, entry.name)
                elif stat.S_ISREG(status.st_mode):
                    _put_file(pair, entry.name, status)
            except FileExistsError:
                continue


def _put_folder(pair: _Pair, name: str, status: os.stat_result) -> None:
    if pair.depth >= _DEEPEST:
        raise OSError(errno.ELOOP, "the folders of a set-up lie too deep")
    try:
        os.mkdir(name, mode=0o700, dir_fd=pair.target)
        is_new = True
    except FileExistsError:
        is_new = False
    source = os.open(name, _FOLDER, dir_fd=pair.source)
    try:
        target = _open_folder(name, pair.target)
        if target is None:
            return
        try:
            installed = _is_installed(pair.installed, name)
            _fill(_Pair(source, target, pair.uid, pair.depth + 1, installed))
            if is_new:
                os.fchown(target, pair.uid, pair.uid)
                os.fchmod(target, stat.S_IMODE(status.st_mode))
                os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
        finally:
            os.close(target)
    finally:
        os.close(source)


def _open_folder(name: str, parent: int) -> int | None:
    """None where something else has the name."""
    try:
        return os.open(name, _FOLDER, dir_fd=parent)
    except OSError as error:
        if error.errno not in (errno.ENOTDIR, errno.ELOOP):
            raise
        return None


def _is_installed(inside: bool, name: str) -> bool:
    """Whether what lies in a folder of that name is left alone once it is installed.

    Tools keep caches of their own in folders with a dot.
    """
    if inside:
        return not name.startswith(".") or name == _PNPM_STORE
    return name in _INSTALLED


def _put_file(pair: _Pair, name: str, status: os.stat_result) -> None:
    if pair.installed and _is_read_only(name, status, pair.uid):
        try:
            os.link(
                name, name, src_dir_fd=pair.source, dst_dir_fd=pair.target, follow_symlinks=False
            )
        except OSError as error:
            if error.errno not in _UNLINKABLE:
                raise
        else:
            return
    _copy(pair, name, status)


def _is_read_only(name: str, status: os.stat_result, uid: int) -> bool:
    """Whether the user can read and not write it; a program must be one for others as well."""
    mode = status.st_mode
    foreign = uid not in (status.st_uid, status.st_gid) and not mode & stat.S_IWOTH
    runs = not mode & stat.S_IXUSR or mode & stat.S_IXOTH
    return bool(foreign and runs and mode & stat.S_IROTH and not name.startswith("."))


def _copy(pair: _Pair, name: str, status: os.stat_result) -> None:
    source = os.open(name, _READ, dir_fd=pair.source)
    try:
        target = os.open(name, _CREATE, mode=0o600, dir_fd=pair.target)
        try:
            left = status.st_size
            while left > 0 and (sent := os.sendfile(target, source, None, min(left, _PIECE))):
                left -= sent
            os.fchown(target, pair.uid, pair.uid)
            os.fchmod(target, stat.S_IMODE(status.st_mode) & 0o777)
            os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
        finally:
            os.close(target)
    finally:
        os.close(source)


def _own(pair: _Pair, name: str) -> None:
    os.chown(name, pair.uid, pair.uid, dir_fd=pair.target, follow_symlinks=False)
