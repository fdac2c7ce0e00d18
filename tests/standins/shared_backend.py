"""Places of a shared store in one process: what Modal's Dicts, Queue and Volume do, and no more."""

import asyncio
import json
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from graph.errors import StoreFull, StoreUnavailable
from runs.shared.backend import StorageBackend


class MemoryTable:
    """Values are kept as JSON: what is plain data alone comes back. Each call lets others go.

    The next `lost` calls of `add` do what they are asked, and their answer is lost; `repeated`
    names entries that a client asks for once more by itself then; what is put as an `unanswered`
    one is there, and nothing is ever said of it. `read` counts the entries that
    were asked for.
    """

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.lost = 0
        self.failing = 0
        """So many calls of `put` fail."""
        self.repeated = set[str]()
        self.unanswered = set[str]()
        self.read = 0

    async def get(self, key: str) -> Any:
        self.read += 1
        await asyncio.sleep(0)
        return json.loads(self.kept[key]) if key in self.kept else None

    async def put(self, key: str, value: Any) -> None:
        await asyncio.sleep(0)
        if self.failing:
            self.failing -= 1
            raise StoreUnavailable("it does not answer")
        self.kept[key] = json.dumps(value)
        await self._answer(key)

    async def _answer(self, key: str) -> None:
        if key in self.unanswered:
            await asyncio.Event().wait()

    async def add(self, key: str, value: Any) -> bool:
        await asyncio.sleep(0)
        added = self.kept.setdefault(key, text := json.dumps(value)) is text
        if self.lost:
            self.lost -= 1
            raise StoreUnavailable("the answer was lost")
        await self._answer(key)
        return added and key not in self.repeated

    async def pop(self, key: str) -> None:
        await asyncio.sleep(0)
        self.kept.pop(key, None)

    async def items(self) -> AsyncIterator[tuple[str, Any]]:
        for key, text in list(self.kept.items()):
            self.read += 1
            await asyncio.sleep(0)
            yield key, json.loads(text)


class MemoryTail:
    """`read` counts the items that were handed to readers. While it `is_full` it takes none."""

    def __init__(self) -> None:
        self.items: dict[str, list[Any]] = {}
        self.read = 0
        self.is_full = False
        self._changed = asyncio.Condition()

    async def put(self, partition: str, item: Any) -> None:
        if self.is_full:
            raise StoreFull("The tail takes no more now.")
        async with self._changed:
            self.items.setdefault(partition, []).append(item)
            self._changed.notify_all()

    async def follow(self, partition: str, silent_s: float) -> AsyncGenerator[Any, None]:
        read = 0
        while True:
            items = self.items.get(partition, [])
            if read < len(items):
                read += 1
                self.read += 1
                yield items[read - 1]
                continue
            try:
                async with asyncio.timeout(silent_s), self._changed:
                    await self._changed.wait()
            except TimeoutError:
                return

    async def clear(self, partition: str) -> None:
        self.items.pop(partition, None)


class FolderArchive:
    def __init__(self, root: Path) -> None:
        self.root = root

    async def read(self, path: str) -> bytes | None:
        found = self.root / path
        return found.read_bytes() if found.exists() else None

    async def names(self, folder: str) -> dict[str, float]:
        found = self.root / folder
        return {path.name: path.stat().st_mtime for path in found.glob("*")}

    async def remove(self, path: str) -> None:
        found = self.root / path
        if found.is_file():
            found.unlink()
        else:
            shutil.rmtree(found, ignore_errors=True)


class FolderMount:
    """Commits at once, and counts how often."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.commits = 0

    async def write(self, files: Mapping[str, bytes]) -> None:
        for name, data in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    async def keep(self, files: Mapping[str, bytes]) -> None:
        await self.write(files)
        await self.commit()

    async def commit_run(self, run_id: str) -> None:
        assert run_id
        await self.commit()

    async def commit(self, run_id: str = "") -> None:
        await asyncio.sleep(0)
        self.commits += 1

    async def reload(self) -> None:
        await asyncio.sleep(0)


class SharedPlaces:
    """The same places for every store that a test opens."""

    def __init__(self, root: Path) -> None:
        self.root = root
        names = (
            *("runs", "changes", "live", "ended", "totals", "keys", "removed", "acts"),
            "deliveries",
        )
        self.tables = {name: MemoryTable() for name in names}
        self.tail = MemoryTail()
        tail, archive = self.tail, FolderArchive(root)
        self.backend = StorageBackend(**self.tables, tail=tail, archive=archive)

    def expire(self) -> None:
        """All that tables and tail hold goes, as after a week without use."""
        for table in self.tables.values():
            table.kept.clear()
        self.tail.items.clear()
