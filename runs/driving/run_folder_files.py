"""The files of a run that its life needs: the newest diff, messages to its roles, the removal."""

import json
import shutil
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

from graph import RunFolder
from graph.files import write_whole
from runs.model.run_record import rfc3339
from runs.sqlite.database import store_errors


def newest_diff(runs: Path, run_id: str) -> bytes | None:
    """The diff of the newest change that has one."""
    diffs = RunFolder.of(runs, run_id).diff(0).parent
    newest = max(diffs.glob("[0-9]*.diff"), key=lambda path: int(path.stem), default=None)
    return newest.read_bytes() if newest else None


def write_message(runs: Path, run_id: str, number: int, text: str) -> None:
    """Add a message for the run's roles, as a whole file."""
    message = {"text": text, "time": rfc3339(time.time())}
    file = RunFolder.of(runs, run_id).root / "messages" / f"{number:04d}.json"
    write_whole(file, json.dumps(message).encode())


def remove_leftovers(runs: Path, run_id: str) -> None:
    """Remove what a killed process had not finished; only for who holds the run.

    Names that begin with a dot are temporary. Trees, which untrusted code wrote to, are left alone.
    """
    run = RunFolder.of(runs, run_id)
    for left in run.root.glob(".*"):
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink()
    for folder in ("changes", "checks", "diffs", "messages", "pictures", "transcripts/*"):
        for left in run.root.glob(f"{folder}/.*"):
            left.unlink()


def threads_file(runs: Path) -> Path:
    """The checkpoints of graphs that programs call, for all their runs."""
    return runs.parent / "threads.db"


def remove(runs: Path, run_id: str) -> None:
    """Remove a run's folder and checkpoints.

    Its trees, which untrusted code wrote to, are gone before.
    """
    with suppress(FileNotFoundError):
        shutil.rmtree(RunFolder.of(runs, run_id).root)
    if not (threads := threads_file(runs)).exists():
        return
    with store_errors(threads), closing(sqlite3.connect(threads)) as connection, connection:
        for table in ("checkpoints", "writes"):
            connection.execute(f"DELETE FROM {table} WHERE thread_id = ?", (run_id,))  # noqa: S608
