"""Which input runs where: containers are started when inputs wait, and reused while warm."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path

from modal_proto import api_pb2 as pb

from tests.modal_plane.containers.container import RUN, Container, environment
from tests.modal_plane.containers.fork_server import ForkServer, fork_server
from tests.modal_plane.containers.images import Images
from tests.modal_plane.containers.mounts import Mounts
from tests.modal_plane.containers.rootfs import Bind, RootFs, search_path
from tests.modal_plane.containers.secrets import Secrets
from tests.modal_plane.functions.calls import Calls, Input
from tests.modal_plane.functions.registry import Function
from tests.modal_plane.ids import new_id
from tests.modal_plane.rpc.listeners import GrpcServer
from tests.modal_plane.storage.volumes import Volumes

MOST_CONTAINERS = 8
MOST_CRASHES = 5
GRACE = 5.0


class Scheduler:
    """Starts the containers, and runs the inputs of a lost one again."""

    def __init__(
        self,
        folder: Path,
        *,
        calls: Calls,
        images: Images,
        mounts: Mounts,
        secrets: Secrets,
        volumes: Volumes,
        serve: Callable[[Container], GrpcServer],
        arguments: Callable[[Container], pb.ContainerArguments],
        preload: tuple[str, ...],
        own: tuple[str, ...],
    ) -> None:
        self.containers: dict[str, Container] = {}
        self.crashes: list[Container] = []
        self.most = MOST_CONTAINERS
        self.start_s = 0.0
        """Seconds that a container takes to start, longer than here."""
        self.fork_server = partial(fork_server, preload)
        self.serve = serve
        self.arguments = arguments
        self._folder = folder
        self._calls = calls
        self._images = images
        self._mounts = mounts
        self._secrets = secrets
        self._volumes = volumes
        self._own = own
        self._with_own: dict[Path, ForkServer] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        calls.runner = self

    def of(self, function: Function) -> list[Container]:
        """The function's containers that run, oldest first."""
        return [known for known in self.containers.values() if known.function is function]

    def enqueue(self, entry: Input) -> None:
        entry.call.function.waiting.put_nowait(entry)
        self.scale(entry.call.function)

    def scale(self, function: Function) -> None:
        """Start one more container where inputs wait that no container will take soon."""
        definition = function.definition
        live = [known for known in self.of(function) if known.live and not known.spent]
        cap = definition.autoscaler_settings.max_containers or self.most
        each = max(1, definition.max_concurrent_inputs)
        free = sum(max(0, each - len(known.inputs)) for known in live) + function.starting * each
        if self._closed:
            return
        if function.waiting.qsize() > free and len(live) + function.starting < cap:
            self._begin(function)

    def _begin(self, function: Function) -> None:
        function.starting += 1
        self.spawn(self._run(function))

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, function: Function) -> None:
        forks = self.forks_of(function)
        await asyncio.sleep(self.start_s)
        container = await self._make(function)
        working = self._images.layout(function.definition.image_id).working_dir or "/root"
        env = environment(container.task_id, self._values(function), search_path())
        running = asyncio.create_task(
            container.run(
                forks,
                self.arguments(container),
                env,
                self.serve(container),
                working,
            )
        )
        await container.up.wait()
        function.starting -= 1
        await running
        await self._ended(container)
        container.gone.set()

    def forks_of(self, function: Function) -> ForkServer:
        """What has imported the function's own modules too, from the files that are mounted."""
        server = self.fork_server()
        if not self._own:
            return server
        mounts = self.mounts_of(function)
        folder = self._mounts.folder(mounts)
        if folder not in self._with_own:
            self._mounts.binds(mounts)  # they are there by then
            self._with_own[folder] = server.with_mounted(folder / "root", self._own)
        return self._with_own[folder]

    def mounts_of(self, function: Function) -> list[str]:
        """The ids of the mounts whose files its containers have, in their image or mounted."""
        definition = function.definition
        return [*self._images.copied(definition.image_id), *definition.mount_ids]

    async def ready(self) -> None:
        """Wait until all is imported that containers of deployed functions begin with."""
        for server in (self.fork_server(), *self._with_own.values()):
            await server.ready()

    async def _make(self, function: Function) -> Container:
        definition, task_id = function.definition, new_id("ta")
        folder = self._folder / task_id
        (folder / "run").mkdir(parents=True)
        copies, binds = self._volumes.mount(definition.volume_mounts, folder / "volumes")
        files = RootFs(
            folder / "root",
            [*self._mounts.binds(self.mounts_of(function)), Bind(folder / "run", RUN), *binds],
        )
        files.prepare()
        await self._images.unpack(definition.image_id, files.folder)
        container = Container(task_id, function, folder, copies, files)
        self.containers[task_id] = container
        return container

    def _values(self, function: Function) -> dict[str, str]:
        definition = function.definition
        return {
            **self._images.layout(definition.image_id).env,
            **self._secrets.environment(definition.secret_ids),
        }

    async def _ended(self, container: Container) -> None:
        """A container that left in order commits; what one had in hand runs again elsewhere."""
        if container.ended == 0:
            for copy in container.copies.values():
                copy.commit()
        elif not container.expected:
            self.crashes.append(container)
        for entry in list(container.inputs):
            container.inputs.remove(entry)
            if not entry.done and not self._closed:
                await self._again(entry, container)
        self.scale(container.function)

    async def _again(self, entry: Input, container: Container) -> None:
        """Run an input again on another container: on Modal whatever its retries are."""
        entry.task_id = ""
        entry.crashes += not container.preempted
        if entry.crashes < MOST_CRASHES:
            self.enqueue(entry)
            return
        told = f"container {container.task_id} ended ({container.ended}): {container.output()}"
        status = pb.GenericResult.GENERIC_STATUS_INTERNAL_FAILURE
        result = pb.GenericResult(status=status, exception=told)
        await self._calls.finish(entry, result, pb.DATA_FORMAT_PICKLE, container.task_id)

    async def scale_to(self, function: Function, count: int) -> None:
        """Have `count` containers that take inputs, as on Modal under load."""
        for _ in range(count - len(self._usable(function))):
            self._begin(function)
        while len(live := self._usable(function)) < count:  # noqa: ASYNC110 - only the list tells
            await asyncio.sleep(0.01)
        await asyncio.gather(*(known.asking.wait() for known in live))

    def _usable(self, function: Function) -> list[Container]:
        return [known for known in self.of(function) if not known.spent]

    async def preempt(self, target: str, *, hard: bool = False, grace: float = GRACE) -> str:
        """Take the machine from under a container: of a function by name, or of a task; its id.

        As on Modal the entry point gets SIGINT and some time, then SIGKILL; `hard` is SIGKILL at
        once. What it had in hand runs again on another container.
        """
        container = self._target(target)
        container.preempted = True
        container.expected = True
        container.retired.set()
        if not hard:
            container.signal(signal.SIGINT)
            await asyncio.wait([asyncio.create_task(container.gone.wait())], timeout=grace)
        container.kill()
        await container.gone.wait()
        return container.task_id

    def _target(self, target: str) -> Container:
        if target in self.containers:
            return self.containers[target]
        live = [
            known
            for known in self.containers.values()
            if known.live and known.function.name == target
        ]
        for known in sorted(live, key=lambda one: not one.inputs):
            return known
        raise KeyError(f"no container of {target} runs")

    def retire(self, function: Function) -> None:
        """Let the function's containers finish what they have in hand, and take no more."""
        for container in self.of(function):
            container.retired.set()

    def stop(self, app_id: str) -> None:
        """End every container of an app."""
        for container in self.containers.values():
            if container.function.app_id == app_id:
                container.expected = True
                container.retired.set()
                container.kill()

    async def task_list(self, request: pb.TaskListRequest) -> pb.TaskListResponse:
        return pb.TaskListResponse(
            tasks=[
                pb.TaskStats(
                    task_id=known.task_id,
                    app_id=known.function.app_id,
                    started_at=known.created,
                    enqueued_at=known.created,
                )
                for known in self.containers.values()
                if known.live and request.app_id in ("", known.function.app_id)
            ]
        )

    async def container_stop(self, request: pb.ContainerStopRequest) -> pb.ContainerStopResponse:
        """As a preemption without an end in sight: its inputs run again elsewhere."""
        await self.preempt(request.task_id, hard=not request.graceful)
        return pb.ContainerStopResponse()

    async def function_get_current_stats(
        self, request: pb.FunctionGetCurrentStatsRequest
    ) -> pb.FunctionStats:
        function = self._calls.functions.by_id[request.function_id]
        live = [known for known in self.of(function) if known.live]
        return pb.FunctionStats(
            backlog=function.waiting.qsize(),
            num_total_tasks=len(live),
            num_running_inputs=sum(len(known.inputs) for known in live),
        )

    def cancel(self, entry: Input, *, kill: bool) -> None:
        """Tell the container that works on `entry` to stop doing so."""
        container = self.containers[entry.task_id]
        container.cancelled.append(entry.input_id)
        container.kill_on_cancel = container.kill_on_cancel or kill
        container.wake.set()

    async def close(self) -> None:
        self._closed = True
        for container in self.containers.values():
            container.expected = True
            container.kill()
        await asyncio.gather(*self._tasks)
        for server in self._with_own.values():
            server.close()
