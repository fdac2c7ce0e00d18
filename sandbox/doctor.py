"""What `doctor` says of the sandbox: version and floor, the trial, what a watcher misses."""

import asyncio
import re
import subprocess
from typing import Final

from graph.errors import SandboxError
from sandbox.backends.base.protocols import LocalBackend
from sandbox.backends.bubblewrap.backend import Bubblewrap
from sandbox.backends.docker.backend import Docker
from sandbox.choose_backend import BackendName, Wanted, untried
from sandbox.host.remedies import UPGRADE
from sandbox.selftest.disk_overshoot import overshoot
from sandbox.selftest.trial import TrialResult, trial

OLDEST: Final = (0, 8)
SAFEST: Final = (0, 12)
_OLDER: Final = (
    "older than 0.12: mount points could be led astray by links (CVE-2026-87766) unless the"
    " distribution fixed it; no mount point here lies where commands write"
)


async def examine(name: BackendName, wanted: Wanted) -> tuple[TrialResult, ...]:
    """Try the backend in full. Raises SandboxUnavailable where it is not there."""
    backend = await untried(name, wanted)
    await asyncio.to_thread(backend.end_orphans)
    found = [await asyncio.to_thread(_backend, backend), *await trial(backend)]
    if all(result.held for result in found):
        try:
            found += await overshoot(backend)
        except SandboxError as error:
            found.append(TrialResult("disk", held=False, detail=error.message, fix=error.hint))
    return tuple(found)


def _backend(backend: LocalBackend) -> TrialResult:
    """Blocks."""
    if isinstance(backend, Docker):
        return TrialResult("backend", held=True, detail=backend.told)
    if not isinstance(backend, Bubblewrap):
        return TrialResult("backend", held=True, detail=backend.name)
    held_by = "control groups" if backend.grouped else "a watcher: no control group can be made"
    version = _version(backend.bwrap)
    told = f"bubblewrap {'.'.join(map(str, version))}, memory and processes held by {held_by}"
    if version < OLDEST:
        return TrialResult("backend", held=False, detail=told, fix=UPGRADE)
    note = f" ({_OLDER})" if version < SAFEST else ""
    return TrialResult("backend", held=True, detail=told + note)


def _version(program: str) -> tuple[int, ...]:
    said = subprocess.run(
        [program, "--version"], capture_output=True, text=True, check=False, cwd="/", env={}
    )
    return tuple(map(int, re.findall(r"\d+", said.stdout)[:3]))
