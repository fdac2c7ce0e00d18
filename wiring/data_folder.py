"""The folder of all state, and whether it can be used."""

import tempfile
from pathlib import Path

from graph.errors import DataFolderUnusable


def make_data_folder(path: Path) -> None:
    """Make the folder and write to it; the sandbox's user passes it on the way to its tree.

    Raises DataFolderUnusable.
    """
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o711)
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(b"tried")
    except OSError as error:
        raise DataFolderUnusable(
            f"The data folder {path} cannot be used: {error.strerror or error}."
        ) from error
