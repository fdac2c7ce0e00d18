"""What runs commands on a tree folder of this machine."""

from pathlib import Path
from typing import Protocol

from sandbox.sandbox import Limits, Sandbox


class Backend(Protocol):
    """Runs commands on a tree folder of this machine."""

    @property
    def limits(self) -> Limits:
        """Limits of one command, and of the tree's size."""
        ...

    def attach(self, folder: Path, base_objects: Path | None, owner: int | None) -> Sandbox:
        """A sandbox on `folder`, which holds `workspace`, `home` and `tmp`; nothing is started.

        `owner` is the uid that the three belong to and that commands run as; None where this
        process is not root. `base_objects` appears read-only at `/base.git/objects`.
        """
        ...

    def owner_of(self, run_id: str) -> int | None:
        """The uid that a run's trees belong to; None where this process is not root."""
        ...
