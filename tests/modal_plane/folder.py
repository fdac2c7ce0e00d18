"""The folder of a plane, which goes away with it; those of planes that were killed go here."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from graph.files import try_lock

NAME = "local-modal-"


@contextmanager
def plane_folder(parent: Path = Path("/tmp")) -> Iterator[Path]:
    """A folder that is locked as long as this process uses it."""
    _remove_dead(parent)
    made = Path(tempfile.mkdtemp(prefix=f".{NAME}", dir=parent))
    lock = _locked(made)
    assert lock is not None
    root = made.rename(parent / made.name[1:])  # locked before anybody looks at it
    try:
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)
        os.close(lock)


def _remove_dead(parent: Path) -> None:
    for folder in parent.glob(f"{NAME}*"):
        with suppress(OSError):  # another removes it at the same time, or it is another user's
            lock = _locked(folder)
            if lock is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)


def _locked(folder: Path) -> int | None:
    """None where a living process has it."""
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    if try_lock(lock):
        return lock
    os.close(lock)
    return None
