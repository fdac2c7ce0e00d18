"""Which backend runs untrusted commands on this machine."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from graph.errors import SandboxUnavailable
from sandbox.backend import Backend
from sandbox.bubblewrap import Bubblewrap
from sandbox.leftovers import end_leftovers
from sandbox.sandbox import Limits
from sandbox.trial import ensure_holds

BackendName = Literal["auto", "bubblewrap", "docker", "modal"]


async def choose(
    name: BackendName, *, limits: Limits, tool_paths: Iterable[Path], state: Path
) -> Backend:
    """The named backend once it has been tried; `auto` takes the first that holds.

    Raises SandboxUnavailable, which says what to install: nothing ever runs without a sandbox.
    """
    if name in {"docker", "modal"}:
        raise SandboxUnavailable(
            f"the {name} sandbox is not available on this machine in this version",
            "Set CODING_AGENT_SANDBOX to auto or bubblewrap.",
        )
    backend = await asyncio.to_thread(
        Bubblewrap, limits=limits, tool_paths=tuple(tool_paths), state=state
    )
    await asyncio.to_thread(end_leftovers)
    await ensure_holds(backend, state)
    return backend
