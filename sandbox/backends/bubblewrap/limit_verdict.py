"""What the kernel refused to a command, and whether that is why the command failed."""

from dataclasses import dataclass

from sandbox.core.protocol import LimitHit
from sandbox.host.cgroup import Usage

NO_PROCESS = (b"Resource temporarily unavailable", b"can't start new thread", b"EAGAIN")
"""How bash, Python, node and others say that they got no process or thread."""
NO_SPACE = (b"o space left on device", b"unable to write file")
"""How they, and git, say that there was no room for more bytes or files."""


@dataclass(frozen=True)
class LimitEvidence:
    """What the kernel refused to a command.

    `filled`: it left the tree's own disk full that was not; `half_full`: of that half is taken.
    """

    usage: Usage
    filled: bool
    half_full: bool

    def limit(self, output: bytes, *, failed: bool) -> LimitHit | None:
        """The limit that a command met.

        A refusal alone is no reason to fail; that a command failed and says so makes it one.
        """
        if failed and self.usage.memory_kills:
            return "memory"
        if failed and self.usage.pids_refusals and _says(output, NO_PROCESS):
            return "pids"
        said = failed and self.half_full and _says(output, NO_SPACE)
        return "disk" if self.filled or said else None


def _says(output: bytes, signs: tuple[bytes, ...]) -> bool:
    return any(sign in output for sign in signs)
