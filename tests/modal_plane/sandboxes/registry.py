"""Sandboxes as the control plane knows them: made, found by name or tag, waited for, ended."""

import asyncio
from pathlib import Path

from grpclib import GRPCError, Status
from modal_proto import api_pb2 as pb

from tests.modal_plane.containers.images import Images
from tests.modal_plane.containers.rootfs import RootFs, search_path
from tests.modal_plane.containers.secrets import Secrets
from tests.modal_plane.functions.apps import Apps, token
from tests.modal_plane.ids import new_id
from tests.modal_plane.sandboxes.filesystem_tool import put_tools
from tests.modal_plane.sandboxes.sandbox import Sandbox, tag_messages, tag_values
from tests.modal_plane.storage.volumes import Volumes

_READ_S = 10.0
"""By then what was killed has let go of its pipes."""


class Sandboxes:
    """`most` is how many may run at once; `router_url` is where their commands are started."""

    def __init__(
        self, folder: Path, *, apps: Apps, images: Images, secrets: Secrets, volumes: Volumes
    ) -> None:
        self.by_id: dict[str, Sandbox] = {}
        self.router_url = ""
        self.most = 100
        self._folder = folder
        self._apps = apps
        self._images = images
        self._secrets = secrets
        self._volumes = volumes
        self._watches: set[asyncio.Task[None]] = set()

    def running(self) -> list[Sandbox]:
        return [known for known in self.by_id.values() if known.result is None]

    def named(self, name: str) -> Sandbox:
        """The newest Sandbox of this name, running or not."""
        for known in reversed(self.by_id.values()):
            if known.name == name:
                return known
        raise KeyError(name)

    def of_task(self, task_id: str) -> Sandbox:
        for known in self.by_id.values():
            if known.task_id == task_id and not known.ended.is_set():
                return known
        raise GRPCError(Status.NOT_FOUND, f"task {task_id} is not running")

    async def lose(self, name: str) -> None:
        """Let a Sandbox go down with its worker: nothing is committed, nothing answers."""
        known = self.named(name)
        known.lost = True
        status = pb.GenericResult.GENERIC_STATUS_INTERNAL_FAILURE
        await known.end(
            pb.GenericResult(status=status, exitcode=137, exception="the worker was lost"),
            commit=False,
        )

    async def sandbox_create_v2(
        self, request: pb.SandboxCreateV2Request
    ) -> pb.SandboxCreateV2Response:
        name = request.definition.name
        running = self.running()
        if len(running) >= self.most:
            raise GRPCError(Status.RESOURCE_EXHAUSTED, f"over {self.most} containers")
        if name and any(
            known.name == name and known.request.app_id == request.app_id for known in running
        ):
            raise GRPCError(Status.ALREADY_EXISTS, f"a Sandbox named {name!r} is running")
        sandbox = await self._make(request)
        self.by_id[sandbox.sandbox_id] = sandbox
        await sandbox.start()
        watch = asyncio.create_task(sandbox.watch())
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)
        return pb.SandboxCreateV2Response(
            sandbox_id=sandbox.sandbox_id,
            task_id=sandbox.task_id,
            metadata=sandbox.metadata(),
            command_router_access=pb.CommandRouterAccess(url=self.router_url, jwt=token()),
        )

    async def _make(self, request: pb.SandboxCreateV2Request) -> Sandbox:
        definition, sandbox_id = request.definition, new_id("sb")
        self._images.require(definition.image_id)
        folder = self._folder / sandbox_id
        copies, binds = self._volumes.mount(definition.volume_mounts, folder / "volumes")
        layout = self._images.layout(definition.image_id)
        working_dir = definition.workdir or layout.working_dir or "/root"
        files = RootFs(folder / "root", binds, packages=False, users=True)
        files.prepare()
        await self._images.unpack(definition.image_id, files.folder)
        put_tools(files.folder)
        (files.folder / working_dir.lstrip("/")).mkdir(parents=True, exist_ok=True)
        env = {"PATH": search_path(), "HOME": "/root", "LANG": "C.UTF-8", **layout.env}
        env.update(self._secrets.environment(definition.secret_ids))
        env.update(self._secrets.sources(request.secret_sources))
        env["MODAL_SANDBOX_ID"] = sandbox_id
        sandbox = Sandbox(
            sandbox_id=sandbox_id,
            task_id=new_id("ta") + "V",
            request=request,
            files=files,
            copies=copies,
            env=env,
            working_dir=working_dir,
            name=definition.name,
            tags=tag_values(request.tags),
        )
        files.network = not sandbox.blocked
        return sandbox

    async def sandbox_get_command_router_access(
        self, request: pb.SandboxGetCommandRouterAccessRequest
    ) -> pb.SandboxGetCommandRouterAccessResponse:
        return pb.SandboxGetCommandRouterAccessResponse(url=self.router_url, jwt=token())

    async def sandbox_get_task_id_v2(
        self, request: pb.SandboxGetTaskIdRequest
    ) -> pb.SandboxGetTaskIdResponse:
        known = self.by_id[request.sandbox_id]
        if known.result is not None:
            return pb.SandboxGetTaskIdResponse(task_result=known.result)
        return pb.SandboxGetTaskIdResponse(task_id=known.task_id)

    async def sandbox_wait_v2(self, request: pb.SandboxWaitRequest) -> pb.SandboxWaitResponse:
        known = self.by_id[request.sandbox_id]
        try:
            async with asyncio.timeout(request.timeout):
                await known.ended.wait()
        except TimeoutError:
            return pb.SandboxWaitResponse(metadata=known.metadata())
        return pb.SandboxWaitResponse(result=known.result, metadata=known.metadata())

    async def sandbox_terminate_v2(
        self, request: pb.SandboxTerminateRequest
    ) -> pb.SandboxTerminateResponse:
        known = self.by_id[request.sandbox_id]
        before = known.result
        status = pb.GenericResult.GENERIC_STATUS_TERMINATED
        await known.end(pb.GenericResult(status=status, exitcode=137))
        return pb.SandboxTerminateResponse(existing_result=before)

    async def sandbox_get_from_name_v2(
        self, request: pb.SandboxGetFromNameRequest
    ) -> pb.SandboxGetFromNameResponse:
        app_id = self._apps.deployed.get(request.app_name, "")
        for known in reversed(self.by_id.values()):
            if known.name != request.sandbox_name or known.request.app_id != app_id:
                continue
            if known.result is None or request.include_terminated:
                return pb.SandboxGetFromNameResponse(
                    sandbox_id=known.sandbox_id, metadata=known.metadata()
                )
        raise GRPCError(Status.NOT_FOUND, f"Sandbox {request.sandbox_name!r} not found")

    async def sandbox_list_v2(self, request: pb.SandboxListRequest) -> pb.SandboxListResponse:
        wanted = tag_values(request.tags).items()
        found = [
            known.info()
            for known in reversed(self.by_id.values())
            if (known.result is None or request.include_finished)
            and request.app_id in ("", known.request.app_id)
            and wanted <= known.tags.items()
            and (not request.before_timestamp or known.created < request.before_timestamp)
        ]
        return pb.SandboxListResponse(sandboxes=found)

    async def sandbox_get_from_name(
        self, request: pb.SandboxGetFromNameRequest
    ) -> pb.SandboxGetFromNameResponse:
        """There is no Sandbox of the first kind, which the client asks for next."""
        raise GRPCError(Status.NOT_FOUND, f"Sandbox {request.sandbox_name!r} not found")

    async def sandbox_tags_get_v2(
        self, request: pb.SandboxTagsGetRequest
    ) -> pb.SandboxTagsGetResponse:
        return pb.SandboxTagsGetResponse(tags=tag_messages(self.by_id[request.sandbox_id].tags))

    async def sandbox_tags_set_v2(self, request: pb.SandboxTagsSetRequest) -> None:
        self.by_id[request.sandbox_id].tags = tag_values(request.tags)

    async def close(self) -> None:
        status = pb.GenericResult.GENERIC_STATUS_TERMINATED
        for known in self.running():
            await known.end(pb.GenericResult(status=status), commit=False)
        await asyncio.gather(*self._watches)
        if reading := [task for known in self.by_id.values() for task in known.reading()]:
            await asyncio.wait(reading, timeout=_READ_S)  # else their pipes outlive the event loop
