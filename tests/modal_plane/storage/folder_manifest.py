"""What a folder holds, told apart by each file's inode, size and time of writing."""

import os
import shutil
from pathlib import Path

Manifest = dict[str, tuple[int, int, int]]
FOLDER = (-1, -1, -1)


def manifest(root: Path) -> Manifest:
    """Each file, link and folder under `root`."""
    found: Manifest = {}
    for base, folders, files in os.walk(root):
        here = Path(base)
        for name in folders:
            path = here / name
            if not path.is_symlink():
                found[str(path.relative_to(root))] = FOLDER
        links = [name for name in folders if (here / name).is_symlink()]
        for name in (*files, *links):
            found[str((here / name).relative_to(root))] = mark_of(here / name)
    return found


def mark_of(path: Path) -> tuple[int, int, int]:
    if path.is_dir() and not path.is_symlink():
        return FOLDER
    stat = path.lstat()
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def copy(name: str, source: Path, target: Path) -> bool:
    """Bring `name` from one folder to another; a file appears there whole.

    One that its writer has renamed since it was listed is left to the next time: False.
    """
    old, new = source / name, target / name
    if old.is_dir() and not old.is_symlink():
        new.mkdir(parents=True, exist_ok=True)
        return True
    new.parent.mkdir(parents=True, exist_ok=True)
    arriving = new.with_name(f".{new.name}.arriving")
    if old.is_symlink():
        arriving.symlink_to(old.readlink())
    else:
        try:
            shutil.copy2(old, arriving)
        except FileNotFoundError:
            return False
    arriving.replace(new)
    return True


def remove(name: str, root: Path) -> None:
    path = root / name
    if path.is_dir() and not path.is_symlink():
        if not any(path.iterdir()):
            path.rmdir()
    else:
        path.unlink(missing_ok=True)
