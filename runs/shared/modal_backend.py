"""Modal's Dicts, Queue and Volume as the backend of a store. All their errors are mapped here."""

import asyncio
import queue
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any, Final, TypeVar

import modal
from grpclib.exceptions import GRPCError, StreamTerminatedError

from graph.errors import StoreFull, StoreUnavailable
from runs.shared.backend import StorageBackend

VOLUME: Final = "coding-agent-workspaces"
_NAMES: Final = {
    "runs": "coding-agent-runs",
    "changes": "coding-agent-changes",
    "live": "coding-agent-live",
    "ended": "coding-agent-ended",
    "totals": "coding-agent-totals",
    "keys": "coding-agent-keys",
    "removed": "coding-agent-removed",
    "acts": "coding-agent-acts",
    "deliveries": "coding-agent-deliveries",
}
_QUEUE: Final = "coding-agent-events"
_ANSWER_S: Final = 15.0
_FILE_S: Final = 60.0
T = TypeVar("T")
_FOREIGN: Final = (modal.Error, GRPCError, StreamTerminatedError, OSError)


class DictTable:
    """A Table in a Modal Dict. `answer_s`: seconds that a call has, `items_s` one for an item."""

    def __init__(self, name: str, *, answer_s: float = _ANSWER_S, items_s: float = _FILE_S) -> None:
        self._dict = modal.Dict.from_name(name, create_if_missing=True)
        self._answer_s = answer_s
        self._items_s = items_s

    async def get(self, key: str) -> Any:
        async with modal_call(self._answer_s):
            return await self._dict.get.aio(key)

    async def put(self, key: str, value: Any) -> None:
        async with modal_call(self._answer_s):
            await self._dict.put.aio(key, value)

    async def add(self, key: str, value: Any) -> bool:
        async with modal_call(self._answer_s):
            return await self._dict.put.aio(key, value, skip_if_exists=True)

    async def pop(self, key: str) -> None:
        async with modal_call(self._answer_s):
            await self._dict.pop.aio(key, None)

    async def items(self) -> AsyncIterator[tuple[str, Any]]:
        async with aclosing(_each(self._dict.items.aio(), self._items_s)) as items:
            async for key, value in items:
                yield key, value


class QueueTail:
    """A Tail in the partitions of a Modal Queue, which keeps 5,000 items of each for a day."""

    def __init__(self, name: str, *, answer_s: float = _ANSWER_S) -> None:
        self._queue = modal.Queue.from_name(name, create_if_missing=True)
        self._answer_s = answer_s

    async def put(self, partition: str, item: Any) -> None:
        """Put without waiting. A full partition is emptied: readers find the gap in the archive."""
        async with modal_call(self._answer_s):
            try:
                await self._queue.put.aio(item, block=False, partition=partition)
            except queue.Full:
                await self._queue.clear.aio(partition=partition)
                await self._queue.put.aio(item, block=False, partition=partition)

    async def follow(self, partition: str, silent_s: float) -> AsyncGenerator[Any, None]:
        items = self._queue.iterate.aio(partition=partition, item_poll_timeout=silent_s)
        async with aclosing(_each(items, silent_s + _FILE_S)) as each:
            async for item in each:
                yield item

    async def clear(self, partition: str) -> None:
        async with modal_call(self._answer_s):
            await self._queue.clear.aio(partition=partition)


class VolumeArchive:
    """An Archive in a Modal Volume, read by its own calls: nothing is mounted."""

    def __init__(self, volume: modal.Volume, *, answer_s: float = _FILE_S) -> None:
        self._volume = volume
        self._answer_s = answer_s

    async def read(self, path: str) -> bytes | None:
        async with modal_call(self._answer_s):
            try:
                return b"".join([part async for part in self._volume.read_file.aio(path)])
            except (FileNotFoundError, modal.exception.NotFoundError):
                return None

    async def names(self, folder: str) -> dict[str, float]:
        async with modal_call(self._answer_s):
            try:
                entries = await self._volume.listdir.aio(folder)
            except (FileNotFoundError, modal.exception.NotFoundError):
                return {}
        return {entry.path.rsplit("/", 1)[-1]: float(entry.mtime) for entry in entries}

    async def remove(self, path: str) -> None:
        async with modal_call(self._answer_s):
            try:
                await self._volume.remove_file.aio(path, recursive=True)
            except (FileNotFoundError, modal.exception.NotFoundError):
                return


def open_modal_backend(volume: modal.Volume) -> StorageBackend:
    """The storage backend of this workspace and environment."""
    return StorageBackend(
        **{field: DictTable(name) for field, name in _NAMES.items()},
        tail=QueueTail(_QUEUE),
        archive=VolumeArchive(volume),
    )


@asynccontextmanager
async def modal_call(within_s: float = _ANSWER_S) -> AsyncIterator[None]:
    """A call of Modal's client, which itself would wait for an answer without an end."""
    with map_modal_errors():
        async with asyncio.timeout(within_s):
            yield


@contextmanager
def map_modal_errors() -> Iterator[None]:
    """Modal's errors, and those of the way to it, as StoreError."""
    try:
        yield
    except modal.exception.ResourceExhaustedError as error:
        raise StoreFull(f"Modal takes no more now: {error}", "Try again in a moment.") from error
    except TimeoutError as error:
        raise StoreUnavailable("Modal did not answer in time.") from error
    except _FOREIGN as error:
        said = f"{type(error).__name__}: {error}".rstrip(": ")[:300]
        raise StoreUnavailable(f"Modal does not answer: {said}") from error


async def _each(items: AsyncGenerator[T, None], within_s: float) -> AsyncGenerator[T, None]:
    """The items, each of them within a time."""
    async with aclosing(items):
        while True:
            try:
                async with modal_call(within_s):
                    item = await anext(items)
            except StopAsyncIteration:
                return
            yield item
