"""What runs commands on a tree folder of this machine."""

from pathlib import Path
from typing import Protocol, runtime_checkable

from sandbox.forwarder import Outlet
from sandbox.sandbox import ExecResult, Limits, Sandbox


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


class PackingSandbox(Sandbox, Protocol):
    """A sandbox that large data can leave and enter by files of ours."""

    async def transfer(
        self, command: str, *, source: Path | None = None, target: Path | None = None
    ) -> ExecResult:
        """Run a command that reads `source`, or whose output becomes the new file `target`."""
        ...


@runtime_checkable
class SetupBackend(Protocol):
    """A backend that can lead set-up, and set-up alone, to a proxy."""

    @property
    def toolchain(self) -> str:
        """What a set-up's result depends on beside the repository and the commands."""
        ...

    @property
    def limits(self) -> Limits: ...

    def attach(
        self,
        folder: Path,
        base_objects: Path | None,
        owner: int | None,
        outlet: Outlet | None = None,
    ) -> PackingSandbox:
        """As of every backend; with `outlet` its folder is at `/run/setup`, read-only."""
        ...
