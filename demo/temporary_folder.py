"""A folder for one demo, gone at its end."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A new folder that the sandbox's user can pass."""
    folder = Path(tempfile.mkdtemp(prefix="coding-agent-demo-", dir=_parent()))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _parent() -> Path:
    """The user's choice of temporary folder; for root the first that other users can pass too."""
    chosen = Path(tempfile.gettempdir())
    if os.geteuid() != 0:
        return chosen
    places = (chosen, Path("/var/tmp"), Path("/tmp"))  # noqa: S108 - mkdtemp makes a new folder
    return next((place for place in places if _passable(place)), chosen)


def _passable(folder: Path) -> bool:
    path = folder.resolve()
    return all(place.stat().st_mode & stat.S_IXOTH for place in (path, *path.parents))
