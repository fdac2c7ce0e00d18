"""What `doctor` says of the sandbox: which program it is, and what came of a full trial."""

import asyncio

from sandbox.backends.base.backend import BackendName, BackendOptions
from sandbox.backends.base.trial_result import Results
from sandbox.choose_backend import candidates


async def examine(name: BackendName, options: BackendOptions) -> Results:
    """Try a backend in full; of `auto`, the first. Raises SandboxUnavailable: it is not there."""
    kind = candidates(name)[0]
    backend = await asyncio.to_thread(kind.make, options)
    await backend.prepare()
    described = await asyncio.to_thread(backend.describe)
    return (described, *await kind.trial(backend))
