"""Where runs are kept when no machine is theirs: tables, a live tail, an archive that all share.

Every method may raise StoreError.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


class Table(Protocol):
    """Values by key, plain data alone; entries may go after days without use."""

    async def get(self, key: str) -> Any:
        """The value, None where there is none."""
        ...

    async def put(self, key: str, value: Any) -> None: ...

    async def add(self, key: str, value: Any) -> bool:
        """Put a value where there is none: of all who try, one is told True."""
        ...

    async def pop(self, key: str) -> None:
        """Remove a value; nothing where there is none."""
        ...

    def items(self) -> AsyncIterator[tuple[str, Any]]:
        """All entries."""
        ...


class Tail(Protocol):
    """Partitions of items that many read in place; none of them is relied on to last."""

    async def put(self, partition: str, item: Any) -> None: ...

    def follow(self, partition: str, silent_s: float) -> AsyncGenerator[Any, None]:
        """The items from the oldest that is there; ends when none has come for `silent_s`."""
        ...

    async def clear(self, partition: str) -> None: ...


class Archive(Protocol):
    """Whole files that are there for good, by paths from one root."""

    async def read(self, path: str) -> bytes | None:
        """A file as it was committed last; None where there is none."""
        ...

    async def names(self, folder: str) -> dict[str, float]:
        """What a folder holds, and when each was changed (Unix seconds)."""
        ...

    async def remove(self, path: str) -> None:
        """Remove a file or a folder with all in it; nothing where there is none."""
        ...


class Mount(Protocol):
    """The archive's root as a folder of this process. What others do is seen after a reload."""

    @property
    def root(self) -> Path: ...

    async def keep(self, files: Mapping[str, bytes]) -> None:
        """Add or replace whole files, and commit: when it returns, others can have them."""
        ...

    async def write(self, files: Mapping[str, bytes]) -> None:
        """Add or replace whole files, which others have with the next commit."""
        ...

    async def commit(self, run_id: str = "") -> None:
        """Let others have what was written below the root; `run_id`: whose files those are."""
        ...

    async def commit_run(self, run_id: str) -> None:
        """Let others have what was written of a run; no call where nothing was since the last."""
        ...

    async def reload(self) -> None:
        """See what others have committed. No file below the root may be open."""
        ...


@dataclass(frozen=True)
class StorageBackend:
    """All that a store is made of."""

    runs: Table
    """The newest version of each run."""
    changes: Table
    """An entry for each version, which only one can add; and notes between functions."""
    live: Table
    """A row for each run that has not ended."""
    ended: Table
    """An entry for each end of an attempt, and for each removal until it is counted."""
    totals: Table
    """What the events of removed runs added up to, a version an entry."""
    keys: Table
    """Idempotency keys."""
    removed: Table
    """What is still known of removed runs."""
    acts: Table
    """Who did what to runs."""
    deliveries: Table
    """What the forge told of, and threads there."""
    tail: Tail
    archive: Archive
