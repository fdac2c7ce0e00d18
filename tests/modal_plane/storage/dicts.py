"""Dicts: entries by key, which go after a time without use."""

import pickle
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from modal_proto import api_pb2 as pb

from tests.modal_plane.storage.named_objects import Named

LENGTH_TOLD = 100_000


@dataclass
class Dict:
    name: str
    entries: dict[bytes, bytes] = field(default_factory=dict)


class Dicts(Named[Dict]):
    """Keys and values as the client serialised them."""

    kind = "Dict"
    prefix = "di"

    def __init__(self) -> None:
        super().__init__(Dict)

    def expire(self, name: str, *keys: str) -> None:
        """Let entries have expired, as after seven days without use; without keys, each."""
        entries = self.named(name).entries
        for serialised in list(entries):
            if not keys or pickle.loads(serialised) in keys:
                del entries[serialised]

    async def dict_get_or_create(
        self, request: pb.DictGetOrCreateRequest
    ) -> pb.DictGetOrCreateResponse:
        dict_id = self.get_or_create(request.deployment_name, request.object_creation_type)
        self.by_id[dict_id].entries.update({entry.key: entry.value for entry in request.data})
        return pb.DictGetOrCreateResponse(
            dict_id=dict_id, metadata=pb.DictMetadata(name=self.by_id[dict_id].name)
        )

    async def dict_get_by_id(self, request: pb.DictGetByIdRequest) -> pb.DictGetByIdResponse:
        return pb.DictGetByIdResponse(
            dict_id=request.dict_id,
            metadata=pb.DictMetadata(name=self.by_id[request.dict_id].name),
        )

    async def dict_heartbeat(self, request: pb.DictHeartbeatRequest) -> None:
        """An ephemeral Dict lives as long as the plane."""

    async def dict_delete(self, request: pb.DictDeleteRequest) -> None:
        self.delete(request.dict_id)

    async def dict_update(self, request: pb.DictUpdateRequest) -> pb.DictUpdateResponse:
        entries = self.by_id[request.dict_id].entries
        created = False
        for entry in request.updates:
            if entry.key in entries and request.if_not_exists:
                continue
            entries[entry.key] = entry.value
            created = True
        return pb.DictUpdateResponse(created=created)

    async def dict_get(self, request: pb.DictGetRequest) -> pb.DictGetResponse:
        value = self.by_id[request.dict_id].entries.get(request.key)
        return pb.DictGetResponse(found=value is not None, value=value)

    async def dict_contains(self, request: pb.DictContainsRequest) -> pb.DictContainsResponse:
        return pb.DictContainsResponse(found=request.key in self.by_id[request.dict_id].entries)

    async def dict_pop(self, request: pb.DictPopRequest) -> pb.DictPopResponse:
        value = self.by_id[request.dict_id].entries.pop(request.key, None)
        return pb.DictPopResponse(found=value is not None, value=value)

    async def dict_len(self, request: pb.DictLenRequest) -> pb.DictLenResponse:
        entries = self.by_id[request.dict_id].entries
        return pb.DictLenResponse(len=min(len(entries), LENGTH_TOLD))

    async def dict_clear(self, request: pb.DictClearRequest) -> None:
        self.by_id[request.dict_id].entries.clear()

    async def dict_contents(self, request: pb.DictContentsRequest) -> AsyncIterator[pb.DictEntry]:
        for key, value in list(self.by_id[request.dict_id].entries.items()):
            yield pb.DictEntry(
                key=key if request.keys else b"", value=value if request.values else b""
            )
