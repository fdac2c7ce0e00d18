"""What an app holds: its functions, and the objects that they use."""

from modal_proto import api_pb2 as pb

from tests.modal_plane.containers.mounts import Mounts
from tests.modal_plane.functions.apps import Apps
from tests.modal_plane.functions.registry import Functions
from tests.modal_plane.storage.dicts import Dicts
from tests.modal_plane.storage.queues import Queues
from tests.modal_plane.storage.volumes import Volumes


class Layouts:
    def __init__(
        self,
        *,
        apps: Apps,
        functions: Functions,
        mounts: Mounts,
        volumes: Volumes,
        queues: Queues,
        dicts: Dicts,
    ) -> None:
        self._apps = apps
        self._functions = functions
        self._mounts = mounts
        self._volumes = volumes
        self._queues = queues
        self._dicts = dicts

    async def app_get_layout(self, request: pb.AppGetLayoutRequest) -> pb.AppGetLayoutResponse:
        return pb.AppGetLayoutResponse(app_layout=self.of(request.app_id))

    def of(self, app_id: str) -> pb.AppLayout:
        functions = self._apps.by_id[app_id].functions
        ids = dict.fromkeys(functions.values())
        for function_id in functions.values():
            definition = self._functions.by_id[function_id].definition
            ids.update(dict.fromkeys(known.object_id for known in definition.object_dependencies))
        return pb.AppLayout(function_ids=functions, objects=[self._object(one) for one in ids])

    def _object(self, object_id: str) -> pb.Object:
        found = pb.Object(object_id=object_id)
        if object_id in self._functions.by_id:
            found.function_handle_metadata.CopyFrom(self._functions.by_id[object_id].handle())
        elif object_id in self._mounts.files:
            found.mount_handle_metadata.content_checksum_sha256_hex = "0"
        elif object_id in self._volumes.by_id:
            found.volume_metadata.CopyFrom(self._volumes.by_id[object_id].metadata())
        elif object_id in self._queues.by_id:
            found.queue_metadata.name = self._queues.by_id[object_id].name
        elif object_id in self._dicts.by_id:
            found.dict_metadata.name = self._dicts.by_id[object_id].name
        return found
