"""The whole control plane: its parts, and the servers that answer for them."""

import asyncio
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from modal._serialization import deserialize_data_format, serialize_data_format
from modal_proto import api_grpc, task_command_router_grpc
from modal_proto import api_pb2 as pb

from tests.modal_plane.containers.container import Container
from tests.modal_plane.containers.container_rpcs import RESTRICTED, ContainerCalls
from tests.modal_plane.containers.fork_server import PRELOAD
from tests.modal_plane.containers.images import Images
from tests.modal_plane.containers.mounts import Mounts
from tests.modal_plane.containers.secrets import Secrets
from tests.modal_plane.folder import plane_folder
from tests.modal_plane.functions.app_layouts import Layouts
from tests.modal_plane.functions.app_logs import Logs
from tests.modal_plane.functions.apps import ENVIRONMENT, Apps
from tests.modal_plane.functions.calls import Calls
from tests.modal_plane.functions.registry import Function, Functions
from tests.modal_plane.functions.scheduler import GRACE, Scheduler
from tests.modal_plane.functions.web_front import WebFront
from tests.modal_plane.rpc.faults import Faults
from tests.modal_plane.rpc.listeners import GrpcServer
from tests.modal_plane.rpc.services import Service
from tests.modal_plane.sandboxes.command_router import Router
from tests.modal_plane.sandboxes.registry import Sandboxes
from tests.modal_plane.storage.blobs import Blobs
from tests.modal_plane.storage.dicts import Dicts
from tests.modal_plane.storage.queues import Queues
from tests.modal_plane.storage.volume_files import VolumeFiles
from tests.modal_plane.storage.volumes import Volumes

BACKGROUND_LOOK = 0.1
LINE = 200


class Plane:
    """A Modal control plane on loopback; `env` is what a client's process needs to find it."""

    def __init__(
        self, root: Path, preload: tuple[str, ...] = (), own: tuple[str, ...] = ()
    ) -> None:
        self.root = root
        self.faults = Faults()
        self.apps = Apps()
        self.blobs = Blobs()
        self.secrets = Secrets()
        self.queues = Queues()
        self.dicts = Dicts()
        self.images = Images(root / "images")
        self.mounts = Mounts(root / "mounts", self.blobs)
        self.volumes = Volumes(root / "volumes")
        self.functions = Functions(self.apps)
        self.calls = Calls(self.functions)
        self.web = WebFront(self.calls, self.blobs)
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
            preload=(*PRELOAD, *preload),
            own=own,
        )
        self.functions.retire = self.scheduler.retire
        self.functions.warm = self.scheduler.fork_server
        self.functions.warm_own = self.scheduler.forks_of
        self.apps.stop = self.scheduler.stop
        self.sandboxes = Sandboxes(
            root / "sandboxes",
            apps=self.apps,
            images=self.images,
            secrets=self.secrets,
            volumes=self.volumes,
        )
        self.layouts = Layouts(
            apps=self.apps,
            functions=self.functions,
            mounts=self.mounts,
            volumes=self.volumes,
            queues=self.queues,
            dicts=self.dicts,
        )
        self.logs = Logs(self.apps, self.scheduler)
        self.router = Router(self.sandboxes, self.secrets, self.images)
        self.url = ""
        self._servers: list[GrpcServer] = []
        self._background: asyncio.Task[None] | None = None

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
        """What a test must not leave behind: containers that fell, and faults of the plane."""
        fallen = [
            f"{known.function.name} ended ({known.ended}): {known.output()}"
            for known in self.scheduler.crashes
        ]
        return [*fallen, *self.faults.own]

    def function(self, name: str, app: str = "") -> Function:
        """A deployed function, for assertions on its definition."""
        return self.functions.named(name, app)

    def containers(self, name: str, app: str = "") -> list[Container]:
        """The containers of a function that run, oldest first."""
        return [known for known in self.scheduler.of(self.function(name, app)) if known.live]

    async def scale(self, name: str, count: int, app: str = "") -> list[Container]:
        """Have `count` containers of a function take turns."""
        await self.scheduler.scale_to(self.function(name, app), count)
        return self.containers(name, app)

    def report(self) -> str:
        """What every container wrote, and every command in a Sandbox, for a test that failed."""
        containers = [known.report() for known in self.scheduler.containers.values()]
        commands = [
            f"{known.name or known.sandbox_id}: {shlex.join(run.command)[:LINE]} "
            f"({run.code}) {run.tail()}"
            for known in self.sandboxes.by_id.values()
            for run in known.execs.values()
        ]
        return "\n".join([*containers, *commands, *self.errors])

    async def start(self) -> None:
        self.faults.listen()
        await self.blobs.start()
        self.url = await self._listen(Service(api_grpc.ModalClientBase, self._parts(), self.faults))
        self.sandboxes.router_url = await self._listen(
            Service(task_command_router_grpc.TaskCommandRouterBase, [self.router], self.faults)
        )

        self._background = asyncio.create_task(self._commit_at_any_moment())

    async def _commit_at_any_moment(self) -> None:
        while True:
            seconds = self.volumes.background
            await asyncio.sleep(BACKGROUND_LOOK if seconds is None else seconds)
            if seconds is not None:
                self._commit()

    def _commit(self) -> None:
        live = [known.copies for known in self.scheduler.containers.values() if known.live]
        for copies in (*live, *(known.copies for known in self.sandboxes.running())):
            for copy in copies.values():
                copy.commit()

    async def fire(self, name: str, app: str = "") -> Any:
        """Let a scheduled function's time have come; what it answers."""
        function = self.function(name, app)
        if function.schedule is None:
            raise ValueError(f"{name} has no schedule")
        call = self.calls.begin(function.function_id)
        arguments = serialize_data_format(((), {}), pb.DATA_FORMAT_PICKLE)
        item = pb.FunctionInput(args=arguments, data_format=pb.DATA_FORMAT_PICKLE)
        self.calls.add(call, item, pb.FUNCTION_CALL_INVOCATION_TYPE_SYNC)
        await call.wait(lambda: call.done)
        result = call.outputs[0].result
        if result.status != pb.GenericResult.GENERIC_STATUS_SUCCESS:
            raise RuntimeError(f"{name}: {result.exception}\n{result.traceback}")
        return deserialize_data_format(result.data, call.outputs[0].data_format, None)

    async def preempt(self, target: str, *, hard: bool = False, grace: float = GRACE) -> str:
        """Preempt a container: of a function by name, or by its task; its id."""
        return await self.scheduler.preempt(target, hard=hard, grace=grace)

    async def lose_sandbox(self, name: str) -> None:
        """Let a Sandbox go down with its worker."""
        await self.sandboxes.lose(name)

    async def _listen(self, service: Service) -> str:
        server = GrpcServer(service)
        self._servers.append(server)
        return await server.listen()

    async def close(self) -> None:
        if self._background is not None:
            self._background.cancel()
        await self.scheduler.close()
        await self.sandboxes.close()
        await self.web.close()
        for server in self._servers:
            await server.stop()
        await self.blobs.close()
        self.faults.stop()

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
            self.scheduler,
            self.sandboxes,
            self.layouts,
            self.logs,
        ]

    def _container_server(self, container: Container) -> GrpcServer:
        """What one container's entry point talks to."""
        calls = ContainerCalls(container, self.calls, self.scheduler, self.volumes)
        allowed = RESTRICTED if container.function.definition.untrusted else None
        parts = [calls, *self._parts()]
        name = container.function.name
        return GrpcServer(Service(api_grpc.ModalClientBase, parts, self.faults, allowed, name))

    def _arguments(self, container: Container) -> pb.ContainerArguments:
        function = container.function
        return pb.ContainerArguments(
            task_id=container.task_id,
            function_id=function.function_id,
            app_id=function.app_id,
            function_def=function.definition,
            app_layout=self.layouts.of(function.app_id),
            environment_name=ENVIRONMENT,
        )


@asynccontextmanager
async def modal_plane(*preload: str, own: tuple[str, ...] = ()) -> AsyncIterator[Plane]:
    """A control plane in a folder of its own, which goes away with it.

    `preload` are libraries that its functions use and that take long to import: their containers
    begin with them. `own` are modules of the app, which are imported from the deployed files once:
    nothing in them may depend on the environment as they are imported.
    """
    with plane_folder() as root:
        plane = Plane(root, preload, own)
        try:
            await plane.start()
            yield plane
        finally:
            await plane.close()
