"""Only the newest call of a role may write to its run."""

from pathlib import Path
from typing import Protocol

from graph.errors import RoleSuperseded, StoreDamaged


class WriteFence(Protocol):
    """Stands between one call of a role and the run's folder. Both may block."""

    def check(self) -> None:
        """Raise RoleSuperseded where a newer call took over."""
        ...

    def kept(self) -> None:
        """A whole file was put in its place: make it last."""
        ...


class FileWriteFence:
    """Holds one call's number against the newest one, which lies in the run's folder."""

    def __init__(self, run_root: Path, number: int) -> None:
        self._file = run_root / "fence"
        self._number = number

    def check(self) -> None:
        """Raise RoleSuperseded where a newer call took over."""
        try:
            newest = int(self._file.read_bytes())
        except FileNotFoundError:
            return
        except ValueError as error:
            raise StoreDamaged(
                f"The fence of run {self._file.parent.name} is no number."
            ) from error
        if newest > self._number:
            raise RoleSuperseded(
                f"Role call {newest} of this run has taken over from call {self._number}."
            )

    def kept(self) -> None:
        """A file on a disk lasts by itself."""
