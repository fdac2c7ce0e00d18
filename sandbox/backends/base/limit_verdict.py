"""Which limit a command reached, and what its result therefore is."""

from graph.errors import SandboxLost
from sandbox.core.output import BothEnds
from sandbox.core.protocol import ExecResult, LimitHit

NO_PROCESS = (b"Resource temporarily unavailable", b"can't start new thread", b"EAGAIN")
"""How bash, Python, node and others say that they got no process or thread."""


def result_of(
    output: BothEnds,
    *,
    code: int | None,
    limit: LimitHit | None,
    memory_kills: int,
    pids_refusals: int = 0,
    duration_ms: int,
    loss: str,
) -> ExecResult:
    """The result of a command; `limit` is the one that stopped it.

    A refusal of the kernel's is no reason to fail; that a command failed and says so makes it one.
    Raises SandboxLost, for the reason `loss`, where it neither ended nor met a limit.
    """
    if limit is None and code != 0:
        if memory_kills:
            limit = "memory"
        elif pids_refusals and any(sign in output.kept for sign in NO_PROCESS):
            limit = "pids"
    if limit is None and code is None:
        raise SandboxLost(f"the sandbox was lost: {loss}")
    return ExecResult(
        exit_code=None if limit else code,
        output=output.kept,
        dropped=output.dropped,
        duration_ms=duration_ms,
        limit=limit,
    )
