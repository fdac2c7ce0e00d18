"""Which limit a command reached, and what its result therefore is."""

from dataclasses import dataclass

from graph.errors import SandboxLost
from sandbox.core.output import BothEnds
from sandbox.core.protocol import ExecResult, LimitHit

NO_PROCESS = (b"Resource temporarily unavailable", b"can't start new thread", b"EAGAIN")
"""How bash, Python, node and others say that they got no process or thread."""
NO_SPACE = (b"o space left on device", b"unable to write file")
"""How they, and git, say that there was no room for more bytes or files."""


@dataclass(frozen=True)
class LimitEvidence:
    """What the kernel refused to a command.

    `disk_became_full`: it left the tree's own disk full that was not; `disk_half_full`: of that
    half is taken.
    """

    memory_kills: int = 0
    pids_refusals: int = 0
    disk_became_full: bool = False
    disk_half_full: bool = False

    def limit_hit(self, output: bytes, *, failed: bool) -> LimitHit | None:
        """The limit that a command met.

        A refusal alone is no reason to fail; that a command failed and says so makes it one.
        """
        if failed and self.memory_kills:
            return "memory"
        if failed and self.pids_refusals and _says(output, NO_PROCESS):
            return "pids"
        said = failed and self.disk_half_full and _says(output, NO_SPACE)
        return "disk" if self.disk_became_full or said else None


def result_of(
    output: BothEnds,
    *,
    code: int | None,
    limit: LimitHit | None,
    evidence: LimitEvidence,
    duration_ms: int,
    loss: str,
) -> ExecResult:
    """The result of a command; `limit` is the one that stopped it.

    Raises SandboxLost, for the reason `loss`, where it neither ended nor met a limit.
    """
    limit = limit or evidence.limit_hit(output.kept, failed=code != 0)
    if limit is None and code is None:
        raise SandboxLost(f"the sandbox was lost: {loss}")
    return ExecResult(
        exit_code=None if limit else code,
        output=output.kept,
        dropped=output.dropped,
        duration_ms=duration_ms,
        limit=limit,
    )


def _says(output: bytes, signs: tuple[bytes, ...]) -> bool:
    return any(sign in output for sign in signs)
