"""The sandbox as the rest of the product sees it: one place where untrusted commands run.

A sandbox holds one tree at `/workspace` (a git repository of its own whose `HEAD` is the base), a
home and a `/tmp`. Nothing in it can be trusted, nothing of ours is in it.
"""

from dataclasses import dataclass, field
from typing import Literal, Protocol, TypedDict, Unpack

from graph import NO_ENVIRONMENT, Base, ChangeRef, Emit, Environment, FolderCommand, unheard
from graph.errors import SandboxUnavailable
from sandbox.core.output import render

ServiceUse = Literal["needed", "wanted"]
LimitHit = Literal["time", "memory", "pids", "disk", "output"]

WORKSPACE = "/workspace"
MAX_QUOTED_CHARS = 1000
KEEP_BYTES = 64 * 1024
"""Of a command's output, half from each end, where nothing else is said."""
BASE_OBJECTS = "/base.git/objects"


@dataclass(frozen=True)
class Limits:
    """Limits of one command. Seconds, MiB, cores, processes; `disk_mb` counts the whole tree.

    `weight` is its share of the processor against other commands that want it.
    """

    timeout_s: float = 300
    memory_mb: int = 2048
    cpus: float = 2
    pids: int = 256
    disk_mb: int = 2048
    weight: float = 1.0
    output_bytes: int = 64 * 1024 * 1024
    """Read at most; a command that writes more is stopped."""

    @property
    def shm_mb(self) -> int:
        """Of `/dev/shm`, which counts as memory too."""
        return min(256, max(self.memory_mb // 4, 1))


@dataclass(frozen=True)
class ExecResult:
    """How a command ended.

    `exit_code` is the command's own, or None where a limit stopped it (`limit` says which), or
    where the sandbox was `lost` under it and its tree made again: `output` then says what the tree
    holds now. Else it is standard output and error together, raw; `dropped` counts bytes left out
    of its middle.
    """

    exit_code: int | None
    output: bytes
    dropped: int
    duration_ms: int
    limit: LimitHit | None = None
    lost: bool = False

    @property
    def text(self) -> str:
        """The output, decoded, without NUL and escape sequences, the cut marked where it is."""
        return render(self.output, self.dropped)

    @property
    def reason(self) -> str:
        """Why it failed: the limit that stopped it, else the end of what it said."""
        if self.limit:
            return f"the {self.limit} limit was reached"
        return self.text.strip()[-MAX_QUOTED_CHARS:] or f"exit code {self.exit_code}"


class RunOptions(TypedDict, total=False):
    """The keywords of `Sandbox.run`."""

    timeout_s: float | None
    stdin: bytes
    keep_bytes: int
    services: ServiceUse
    more_follow: bool


class Sandbox(Protocol):
    """One open tree. Calls may come at the same time; `close` ends them all."""

    async def run(self, command: str, **options: Unpack[RunOptions]) -> ExecResult:
        """Run a bash command in `/workspace`; the whole process tree is gone when it returns.

        `timeout_s` shortens the time, `stdin` is what it reads, `keep_bytes` of its output
        are kept, half from each end. With `services` those of the tree run beside it; where one
        that is `needed` does not, it cannot be started. Where `more_follow`, the next command may
        be made ready while its caller thinks. Raises SandboxLost.
        """
        ...

    async def read(self, path: str, *, max_bytes: int = 1024 * 1024) -> bytes:
        """A file's bytes, read inside. Raises FileAccessError: not a file, missing, larger."""
        ...

    async def write(self, path: str, data: bytes) -> None:
        """Replace or make a file, and the folders above it, inside. Raises FileAccessError."""
        ...

    async def close(self) -> None:
        """End every process; the tree stays where it is kept."""
        ...


class Saved(Protocol):
    """Where a tree's change is kept while it is worked on, for when its sandbox is lost.

    Used where a tree lasts no longer than its sandbox.
    """

    handed_over: bool
    """Whether who works in the tree has kept its whole change, and is done."""

    async def newest(self) -> tuple[bytes, float] | None:
        """The change that was kept last, against the base, and when (Unix seconds)."""
        ...

    async def save(self, patch: bytes) -> None:
        """Keep the tree's change. Raises CodingAgentError where it must not be any more."""
        ...

    def opened(self, sandbox: str, message: str = "") -> None:
        """The tree is in the sandbox of that id now; `message` says what one made anew holds."""
        ...


@dataclass(frozen=True)
class TreeSpec:
    """Which tree to open.

    `name` is `live` for the tree that coder and fixer share, else a name used once, such as
    `validate-3`. `change`, or what was `saved` since, is applied on the base; `environment` makes
    a new tree ready, and is what its commands find. Without `checkout` git's index and objects
    will do, where that is quicker: the files are there once the same tree was opened with it.
    A tree that `reaches_hosts` has the network of set-up, and none of its secrets.
    `weight` is the share of the processor that its commands have, against 1 of others. `emit` is
    told where somebody has to wait for the sandbox.
    """

    name: str
    base: Base
    change: ChangeRef | None = None
    environment: Environment = NO_ENVIRONMENT
    checkout: bool = True
    reaches_hosts: bool = False
    saved: Saved | None = None
    weight: float = 1.0
    emit: Emit = field(default=unheard, compare=False)

    @property
    def setup(self) -> tuple[FolderCommand, ...]:
        """The commands that make the tree ready."""
        return self.environment.setup


@dataclass(frozen=True)
class SetUpReport:
    """What a set-up said of its steps; `kept`: what it made was there from before."""

    said: bytes
    kept: bool


class Sandboxes(Protocol):
    """Opens trees of runs."""

    async def open(self, run_id: str, spec: TreeSpec) -> Sandbox:
        """The tree of that name: found as it was left, or made. Raises SandboxError."""
        ...

    def begin(self, run_id: str, name: str, spec: TreeSpec | None = None) -> None:  # noqa: ARG002 - nothing where trees are quick
        """A tree of that name will be opened: what takes long for it may begin meanwhile.

        `spec` is given where its base is known; it begins with what set-up left.
        """
        return

    async def set_up(self, run_id: str, spec: TreeSpec) -> SetUpReport | None:
        """Make what the base's trees begin with, or find it; None where each makes it for itself.

        Raises SetupFailed, SandboxError.
        """
        ...

    async def take_image(self, image: str) -> str:
        """Make an image ready: its name, as environments have it.

        Raises SandboxUnavailable where trees cannot be made of it.
        """
        raise SandboxUnavailable(
            f"Commands run with this machine's own programs, so {image} is not used.",
            "An image is used with CODING_AGENT_SANDBOX=docker, and on Modal.",
        )

    async def discard(self, run_id: str, name: str) -> None:
        """End the tree's processes and remove it; nothing happens where there is none."""
        ...

    async def close_run(self, run_id: str, *, keep: tuple[str, ...] = ()) -> None:
        """End every tree of the run and remove all but those named in `keep`."""
        ...


class FileAccessError(Exception):
    """Raised when a path inside a sandbox cannot be read or written as a file; says why."""


class TreeRestored(FileAccessError):
    """Raised when the sandbox was lost meanwhile and its tree made again; says what it holds."""
