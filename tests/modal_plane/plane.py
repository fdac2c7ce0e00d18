"""The whole control plane: its parts, and the servers that answer for them."""

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from modal_proto import api_grpc, task_command_router_grpc
from modal_proto import api_pb2 as pb

from tests.modal_plane.apps import ENVIRONMENT, Apps
from tests.modal_plane.blobs import Blobs
from tests.modal_plane.calls import Calls
from tests.modal_plane.container_calls import ContainerCalls
from tests.modal_plane.containers import Container
from tests.modal_plane.dicts import Dicts
from tests.modal_plane.faults import Faults
from tests.modal_plane.functions import Function, Functions
from tests.modal_plane.images import Images
from tests.modal_plane.listener import GrpcServer
from tests.modal_plane.mounts import Mounts
from tests.modal_plane.queues import Queues
from tests.modal_plane.router import Router
from tests.modal_plane.rpc import Service
from tests.modal_plane.sandboxes import Sandboxes
from tests.modal_plane.scheduler import Scheduler
from tests.modal_plane.secrets import Secrets
from tests.modal_plane.volume_files import VolumeFiles
from tests.modal_plane.volumes import Volumes
from tests.modal_plane.web import WebFront


class Plane:
    """A Modal control plane on loopback; `env` is what a client's process needs to find it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.faults = Faults()
        self.apps = Apps()
        self.blobs = Blobs()
        self.secrets = Secrets()
        self.queues = Queues()
        self.dicts = Dicts()
        self.images = Images(root / "images")
        self.mounts = Mounts(self.blobs)
        self.volumes = Volumes(root / "volumes")
        self.functions = Functions(self.apps)
        self.calls = Calls(self.functions)
        self.web = WebFront(self.calls)
        self.functions.serve_web = self.web.serve
        self.scheduler = Scheduler(
            root / "tasks",
            calls=self.calls,
            images=self.images,
            mounts=self.mounts,
            secrets=self.secrets,
            volumes=self.volumes,
            serve=self._container_server,
            arguments=self._arguments,
        )
        self.sandboxes = Sandboxes(
            root / "sandboxes",
            apps=self.apps,
            images=self.images,
            secrets=self.secrets,
            volumes=self.volumes,
        )
        self.router = Router(self.sandboxes, self.secrets, self.images)
        self.url = ""
        self._servers: list[GrpcServer] = []

    @property
    def env(self) -> dict[str, str]:
        return {
            "MODAL_SERVER_URL": self.url,
            "MODAL_TOKEN_ID": "ak-local",
            "MODAL_TOKEN_SECRET": "as-local",
            "MODAL_CONFIG_PATH": "/dev/null",
        }

    @property
    def errors(self) -> list[str]:
        """What a test must not leave behind: containers that fell, RPCs that are not there."""
        fallen = [
            f"{known.function.name} ended ({known.ended}): {known.output()}"
            for known in self.scheduler.crashes
        ]
        return [*fallen, *(f"{name} is not in the local plane" for name in self.faults.unknown)]

    def function(self, name: str, app: str = "") -> Function:
        """A deployed function, for assertions on its definition."""
        return self.functions.named(name, app)

    async def start(self) -> None:
        await self.blobs.start()
        self.url = await self._listen(Service(api_grpc.ModalClientBase, self._parts(), self.faults))
        self.sandboxes.router_url = await self._listen(
            Service(task_command_router_grpc.TaskCommandRouterBase, [self.router], self.faults)
        )

    async def _listen(self, service: Service) -> str:
        server = GrpcServer(service)
        self._servers.append(server)
        return await server.listen()

    async def close(self) -> None:
        await self.scheduler.close()
        await self.sandboxes.close()
        await self.web.close()
        for server in self._servers:
            await server.stop()
        await self.blobs.close()

    def _parts(self) -> list[object]:
        return [
            self.apps,
            self.blobs,
            self.secrets,
            self.queues,
            self.dicts,
            self.images,
            self.mounts,
            self.volumes,
            VolumeFiles(self.volumes, self.blobs),
            self.functions,
            self.calls,
            self.sandboxes,
        ]

    def _container_server(self, container: Container) -> GrpcServer:
        """What one container's entry point talks to."""
        parts = [ContainerCalls(container, self.calls), *self._parts()]
        return GrpcServer(Service(api_grpc.ModalClientBase, parts, self.faults))

    def _arguments(self, container: Container) -> pb.ContainerArguments:
        function = container.function
        return pb.ContainerArguments(
            task_id=container.task_id,
            function_id=function.function_id,
            app_id=function.app_id,
            function_def=function.definition,
            app_layout=self._layout(function.app_id),
            environment_name=ENVIRONMENT,
        )

    def _layout(self, app_id: str) -> pb.AppLayout:
        functions = self.apps.by_id[app_id].functions
        ids = dict.fromkeys(functions.values())
        for function_id in functions.values():
            definition = self.functions.by_id[function_id].definition
            ids.update(dict.fromkeys(known.object_id for known in definition.object_dependencies))
        return pb.AppLayout(function_ids=functions, objects=[self._object(one) for one in ids])

    def _object(self, object_id: str) -> pb.Object:
        found = pb.Object(object_id=object_id)
        if object_id in self.functions.by_id:
            found.function_handle_metadata.CopyFrom(self.functions.by_id[object_id].handle())
        elif object_id in self.mounts.files:
            found.mount_handle_metadata.content_checksum_sha256_hex = "0"
        elif object_id in self.volumes.by_id:
            found.volume_metadata.CopyFrom(self.volumes.by_id[object_id].metadata())
        elif object_id in self.queues.by_id:
            found.queue_metadata.name = self.queues.by_id[object_id].name
        elif object_id in self.dicts.by_id:
            found.dict_metadata.name = self.dicts.by_id[object_id].name
        return found


@asynccontextmanager
async def modal_plane() -> AsyncIterator[Plane]:
    """A control plane in a folder of its own, which goes away with it."""
    root = Path(tempfile.mkdtemp(prefix="modal-plane-", dir="/tmp"))
    plane = Plane(root)
    try:
        await plane.start()
        yield plane
    finally:
        await plane.close()
        shutil.rmtree(root, ignore_errors=True)
