"""Queues: partitions of items, within Modal's limits, read in place or taken."""

import asyncio
import itertools
import time
from dataclasses import dataclass, field

from grpclib import GRPCError, Status
from modal_proto import api_pb2 as pb

from tests.modal_plane.storage.named_objects import Named

ITEM_BYTES = 1 << 20
PARTITION_BYTES = 64 << 20
PARTITION_ITEMS = 5_000
PARTITIONS = 100_000


@dataclass
class Partition:
    """Items by their numbers, oldest first; gone at `expires`."""

    items: dict[int, bytes] = field(default_factory=dict)
    expires: float = 0.0

    def size(self) -> int:
        return sum(map(len, self.items.values()))


@dataclass
class Queue:
    name: str
    partitions: dict[bytes, Partition] = field(default_factory=dict)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def partition(self, key: bytes) -> Partition:
        """The partition, empty where it has expired or was never there."""
        found = self.partitions.get(key)
        if found is None or found.expires <= time.monotonic():
            self.partitions.pop(key, None)
            return Partition()
        return found


class Queues(Named[Queue]):
    """`ttl`, where a test sets it, replaces the time to live that a put asks for."""

    kind = "Queue"
    prefix = "qu"

    def __init__(self) -> None:
        super().__init__(Queue)
        self.ttl: float | None = None
        self._numbers = itertools.count(1)

    def expire(self, name: str, partition: str | None = None) -> None:
        """Let a partition, or each of them, have expired."""
        queue = self.named(name)
        if partition is None:
            queue.partitions.clear()
        else:
            queue.partitions.pop(partition.encode(), None)

    async def queue_get_or_create(
        self, request: pb.QueueGetOrCreateRequest
    ) -> pb.QueueGetOrCreateResponse:
        queue_id = self.get_or_create(request.deployment_name, request.object_creation_type)
        return pb.QueueGetOrCreateResponse(
            queue_id=queue_id, metadata=pb.QueueMetadata(name=self.by_id[queue_id].name)
        )

    async def queue_get_by_id(self, request: pb.QueueGetByIdRequest) -> pb.QueueGetByIdResponse:
        queue = self.by_id[request.queue_id]
        return pb.QueueGetByIdResponse(
            queue_id=request.queue_id, metadata=pb.QueueMetadata(name=queue.name)
        )

    async def queue_heartbeat(self, request: pb.QueueHeartbeatRequest) -> None:
        """An ephemeral Queue lives as long as the plane."""

    async def queue_delete(self, request: pb.QueueDeleteRequest) -> None:
        self.delete(request.queue_id)

    async def queue_put(self, request: pb.QueuePutRequest) -> None:
        queue = self.by_id[request.queue_id]
        if any(len(value) > ITEM_BYTES for value in request.values):
            raise GRPCError(Status.INVALID_ARGUMENT, f"an item is over {ITEM_BYTES} bytes")
        partition = queue.partition(request.partition_key)
        added = sum(map(len, request.values))
        if len(partition.items) + len(request.values) > PARTITION_ITEMS:
            raise GRPCError(Status.RESOURCE_EXHAUSTED, f"over {PARTITION_ITEMS} items")
        if partition.size() + added > PARTITION_BYTES:
            raise GRPCError(Status.RESOURCE_EXHAUSTED, f"over {PARTITION_BYTES} bytes")
        if request.partition_key not in queue.partitions and len(queue.partitions) >= PARTITIONS:
            raise GRPCError(Status.RESOURCE_EXHAUSTED, f"over {PARTITIONS} partitions")
        seconds = request.partition_ttl_seconds if self.ttl is None else self.ttl
        partition.expires = time.monotonic() + seconds
        partition.items.update({next(self._numbers): value for value in request.values})
        queue.partitions[request.partition_key] = partition
        async with queue.changed:
            queue.changed.notify_all()

    async def queue_get(self, request: pb.QueueGetRequest) -> pb.QueueGetResponse:
        queue = self.by_id[request.queue_id]
        await self._wait(queue, request.partition_key, 0, request.timeout)
        items = queue.partition(request.partition_key).items
        numbers = list(items)[: max(1, request.n_values)]
        return pb.QueueGetResponse(values=[items.pop(number) for number in numbers])

    async def queue_next_items(
        self, request: pb.QueueNextItemsRequest
    ) -> pb.QueueNextItemsResponse:
        queue = self.by_id[request.queue_id]
        last = int(request.last_entry_id or 0)
        await self._wait(queue, request.partition_key, last, request.item_poll_timeout)
        items = queue.partition(request.partition_key).items
        return pb.QueueNextItemsResponse(
            items=[
                pb.QueueItem(value=value, entry_id=str(number))
                for number, value in items.items()
                if number > last
            ]
        )

    async def _wait(self, queue: Queue, key: bytes, after: int, seconds: float) -> None:
        """Wait until the partition holds an item younger than `after`, at most `seconds`."""

        def there() -> bool:
            return any(number > after for number in queue.partition(key).items)

        try:
            async with asyncio.timeout(max(0.0, seconds)), queue.changed:
                await queue.changed.wait_for(there)
        except TimeoutError:
            return

    async def queue_len(self, request: pb.QueueLenRequest) -> pb.QueueLenResponse:
        queue = self.by_id[request.queue_id]
        keys = list(queue.partitions) if request.total else [request.partition_key]
        return pb.QueueLenResponse(len=sum(len(queue.partition(key).items) for key in keys))

    async def queue_clear(self, request: pb.QueueClearRequest) -> None:
        queue = self.by_id[request.queue_id]
        if request.all_partitions:
            queue.partitions.clear()
        else:
            queue.partitions.pop(request.partition_key, None)
