"""The idempotency keys of a shared store, and what it still knows of removed runs."""

import hashlib
import time
from dataclasses import asdict
from typing import Any, Final

from runs.model.removed_run import RemovedRun, mismatch_error, removed_error
from runs.model.run import Run
from runs.shared.backend import StorageBackend
from runs.shared.version_chain import VersionChain
from runs.store.protocol import IdempotencyKey

_UNSURE_S: Final = 30.0


class IdempotencyKeys:
    """Which run each key stands for, also once that is removed."""

    def __init__(self, backend: StorageBackend, chain: VersionChain) -> None:
        self._keys = backend.keys
        self._removed_runs = backend.removed
        self._chain = chain

    async def acquire(self, key: IdempotencyKey, run: Run) -> tuple[Run, Run | None]:
        """Take the key for `run`, or find the run that has it.

        A key whose run is not there was taken a moment ago by one that may have died: then the
        run is entered under that id, by whoever is faster. Raises IdempotencyMismatch, RunRemoved.
        """
        name = _name(key)
        mine: dict[str, Any] = {"run_id": run.run_id, "digest": key.digest, "at": time.time()}
        if await self._keys.add(name, mine):
            return run, None
        taken = await self._keys.get(name) or mine
        run_id = taken["run_id"]
        version = await self._chain.newest(run_id)
        gone = version is None and await self._removed_runs.get(run_id) is not None
        if taken["digest"] != key.digest:
            if version or gone or time.time() - taken["at"] < _UNSURE_S:
                raise mismatch_error(run_id)
            await self._keys.put(name, mine)
            return run, None
        if gone:
            raise removed_error(run_id)
        return (run, version.run) if version else (run.replace(run_id=run_id), None)

    async def release(self, key: IdempotencyKey) -> None:
        """Free a key whose run was not entered."""
        await self._keys.pop(_name(key))

    async def remember_removed(self, run: RemovedRun) -> None:
        """Remember a run that is about to be removed."""
        await self._removed_runs.put(run.run_id, asdict(run))

    async def removed_since(self, since: float) -> list[RemovedRun]:
        """The removed runs that were started since then (Unix seconds)."""
        known = [RemovedRun(**value) async for _, value in self._removed_runs.items()]
        return [run for run in known if run.created_at >= since]

    async def forget(self, before: float) -> None:
        for table, began in ((self._keys, "at"), (self._removed_runs, "created_at")):
            for name in [name async for name, value in table.items() if value[began] < before]:
                await table.pop(name)


def _name(key: IdempotencyKey) -> str:
    return hashlib.sha256(f"{key.owner}\0{key.key}".encode()).hexdigest()
