"""Which backend runs untrusted commands: tried before it is used."""

import asyncio
from pathlib import Path
from typing import Any

from graph.errors import SandboxUnavailable
from sandbox.backends.base.backend import Backend, BackendName, BackendOptions
from sandbox.core.metrics import CommandMetrics
from sandbox.core.protocol import Sandboxes
from sandbox.registry import BACKENDS, BackendKind


async def choose(name: BackendName, options: BackendOptions) -> Backend[Any]:
    """The named backend once it has been tried; `auto` takes the first that holds.

    Raises SandboxUnavailable, which says what to install: nothing ever runs without a sandbox.
    """
    errors: list[SandboxUnavailable] = []
    for kind in candidates(name):
        try:
            backend = await asyncio.to_thread(kind.make, options)
            await backend.prepare()
            await kind.ensure_holds(backend)
        except SandboxUnavailable as error:
            errors.append(error)
        else:
            return backend
    if len(errors) == 1:
        raise errors[0]
    reasons = "; ".join(error.message for error in errors)
    raise SandboxUnavailable(reasons, errors[0].hint) from errors[-1]


async def open_sandboxes(
    name: BackendName, options: BackendOptions, *, runs: Path, metrics: CommandMetrics
) -> Sandboxes:
    """The trees of the runs in a folder, on the chosen backend. Raises SandboxUnavailable."""
    backend = await choose(name, options)
    return await BACKENDS[backend.name].open_trees(backend, options, runs, metrics)


def candidates(name: BackendName) -> list[BackendKind]:
    """Those that a name stands for, in order."""
    if name == "auto":
        return [kind for kind in BACKENDS.values() if kind.is_automatic]
    return [BACKENDS[name]]
