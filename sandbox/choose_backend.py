"""Which backend runs untrusted commands on this machine."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from graph.errors import SandboxUnavailable
from sandbox.backends.base.protocols import LocalBackend
from sandbox.backends.base.tree_disk import find
from sandbox.backends.bubblewrap.backend import Bubblewrap
from sandbox.backends.docker.backend import Docker
from sandbox.core.protocol import Limits
from sandbox.selftest.trial import ensure_holds

BackendName = Literal["auto", "bubblewrap", "docker"]


@dataclass(frozen=True)
class Wanted:
    """What a backend of this machine is made of."""

    limits: Limits
    state: Path
    tool_paths: tuple[Path, ...] = ()
    image: str = ""
    docker_environment: Mapping[str, str] = field(default_factory=dict)

    def bubblewrap(self) -> Bubblewrap:
        """Blocks. Raises SandboxUnavailable."""
        return Bubblewrap(
            limits=self.limits,
            tool_paths=self.tool_paths,
            state=self.state,
            disks=find(self.state, self.limits.disk_mb),
        )

    def docker(self) -> Docker:
        """Blocks. Raises SandboxUnavailable."""
        return Docker(
            limits=self.limits,
            tool_paths=self.tool_paths,
            state=self.state,
            image=self.image,
            environment=self.docker_environment,
        )


async def choose(name: BackendName, wanted: Wanted) -> LocalBackend:
    """The named backend once it has been tried; `auto` takes the first that holds.

    Raises SandboxUnavailable, which says what to install: nothing ever runs without a sandbox.
    """
    if name == "docker":
        return await _tried(wanted, "docker")
    try:
        return await _tried(wanted, "bubblewrap")
    except SandboxUnavailable as error:
        if name != "auto":
            raise
        first = error
    try:
        return await _tried(wanted, "docker")
    except SandboxUnavailable as second:
        raise SandboxUnavailable(f"{first.message}; {second.message}", first.hint) from second


async def untried(name: BackendName, wanted: Wanted) -> LocalBackend:
    """The backend that a full trial is about. Raises SandboxUnavailable."""
    make = wanted.docker if name == "docker" else wanted.bubblewrap
    return await asyncio.to_thread(make)


async def _tried(wanted: Wanted, name: Literal["bubblewrap", "docker"]) -> LocalBackend:
    make = wanted.docker if name == "docker" else wanted.bubblewrap
    backend: LocalBackend = await asyncio.to_thread(make)
    await asyncio.to_thread(backend.end_orphans)
    await ensure_holds(backend)
    return backend
