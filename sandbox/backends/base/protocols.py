"""What runs commands on a tree folder of this machine."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from sandbox.backends.base.tree_disk import Disks, NoDisks
from sandbox.core.protocol import ExecResult, Limits, Sandbox
from sandbox.egress.forwarder import Outlet


class Backend(Protocol):
    """Runs commands on a tree folder of this machine."""

    @property
    def limits(self) -> Limits:
        """Limits of one command, and of the tree's size."""
        ...

    def attach(self, folder: Path, base_objects: Path | None, uid: int | None) -> Sandbox:
        """A sandbox on `folder`, which holds `workspace`, `home` and `tmp`; nothing is started.

        `uid` is what the three belong to and that commands run as; None where this
        process is not root. `base_objects` appears read-only at `/base.git/objects`.
        """
        ...

    def uid_for_run(self, run_id: str) -> int | None:
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
class DiskBackend(Protocol):
    """A backend that may give each tree a disk of its own."""

    @property
    def disks(self) -> Disks | NoDisks: ...


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
        uid: int | None,
        outlet: Outlet | None = None,
    ) -> PackingSandbox:
        """As of every backend; with `outlet` its folder is at `/run/setup`, read-only."""
        ...


class OpenSandbox(Sandbox, Protocol):
    """A sandbox whose program and outer environment can be told, as a trial needs it."""

    async def execute(
        self,
        program: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout_s: float | None = None,
        keep_bytes: int = 64 * 1024,
        environment: Mapping[str, str] | None = None,
    ) -> ExecResult:
        """Run a program. `environment` is added outside, where it must not be seen from within."""
        ...


class LocalBackend(Backend, Protocol):
    """A backend of this machine: it can be tried, and it cleans up what dead services left."""

    @property
    def name(self) -> str: ...

    @property
    def state(self) -> Path:
        """A folder of its own, which the sandbox's user can pass."""
        ...

    @property
    def filters_calls(self) -> bool:
        """Whether the system call filter is ours, so that all it names must be refused."""
        ...

    def attach(self, folder: Path, base_objects: Path | None, uid: int | None) -> OpenSandbox: ...

    def limited(self, limits: Limits) -> "LocalBackend":
        """The same backend with other limits."""
        ...

    def identity(self) -> list[object]:
        """What a verdict holds for. Blocks. Raises SandboxUnavailable."""
        ...

    def remedy(self, said: str) -> str:
        """What to do where the sandbox cannot be had, told from what it said."""
        ...

    def end_orphans(self) -> None:
        """End the sandboxes of services that are no more. Blocks."""
        ...
