"""The task command router: commands in a Sandbox, their input and output, and its snapshots."""

import asyncio
from collections.abc import AsyncIterator

from grpclib import GRPCError, Status
from modal_proto import task_command_router_pb2 as pb

from tests.modal_plane.containers.images import Images
from tests.modal_plane.containers.secrets import Secrets
from tests.modal_plane.sandboxes.command_exec import (
    ERR,
    OUT,
    Exec,
    start,
)
from tests.modal_plane.sandboxes.registry import Sandboxes
from tests.modal_plane.sandboxes.sandbox import Sandbox

CLIENT_FIRST = 5.0


class Router:
    """What is asked of a Sandbox that has ended is not found."""

    def __init__(self, sandboxes: Sandboxes, secrets: Secrets, images: Images) -> None:
        self._sandboxes = sandboxes
        self._secrets = secrets
        self._images = images

    async def task_exec_start(self, request: pb.TaskExecStartRequest) -> pb.TaskExecStartResponse:
        sandbox = self._sandboxes.of_task(request.task_id)
        if request.exec_id in sandbox.execs:  # the client asks again where an answer was lost
            return pb.TaskExecStartResponse()
        command = list(request.command_args)
        env = {**sandbox.env, **{pair.key: pair.value for pair in request.env}}
        env.update(self._secrets.environment(request.secret_ids))
        env.update(self._secrets.sources(request.secret_sources))
        words = sandbox.enter(command, request.workdir or sandbox.working_dir)
        running = await start(words, command, env)
        sandbox.execs[request.exec_id] = running
        sandbox.touch()
        if command[0] == "sync":  # on a Volume of version 2 this is a commit
            await running.wait()
            for copy in sandbox.copies.values():
                copy.commit()
        if request.timeout_secs:
            asyncio.get_running_loop().call_later(request.timeout_secs, running.expire)
        return pb.TaskExecStartResponse()

    async def task_exec_stdio_read(
        self, request: pb.TaskExecStdioReadRequest
    ) -> AsyncIterator[pb.TaskExecStdioReadResponse]:
        _, running = self._find(request.task_id, request.exec_id)
        first = request.file_descriptor == pb.TASK_EXEC_STDIO_FILE_DESCRIPTOR_STDOUT
        async for chunk in running.read(OUT if first else ERR, request.offset):
            yield pb.TaskExecStdioReadResponse(data=chunk)

    async def task_exec_stdin_write(
        self, request: pb.TaskExecStdinWriteRequest
    ) -> pb.TaskExecStdinWriteResponse:
        sandbox, running = self._find(request.task_id, request.exec_id)
        sandbox.touch()
        await running.write(request.offset, request.data)
        if request.eof:
            running.close()
        return pb.TaskExecStdinWriteResponse()

    async def task_exec_stdin_write_stream(
        self, requests: AsyncIterator[pb.TaskExecStdinWriteStreamRequest]
    ) -> pb.TaskExecStdinWriteStreamResponse:
        running: Exec | None = None
        offset = 0
        async for request in requests:
            if request.HasField("start"):
                _, running = self._find(request.start.task_id, request.start.exec_id)
                offset = request.start.offset
                continue
            if running is None:
                raise GRPCError(Status.INVALID_ARGUMENT, "a stream begins with its start")
            if request.HasField("end"):
                running.close()
            else:
                await running.write(offset, request.data)
                offset += len(request.data)
        return pb.TaskExecStdinWriteStreamResponse()

    async def task_exec_stdin_status(
        self, request: pb.TaskExecStdinStatusRequest
    ) -> pb.TaskExecStdinStatusResponse:
        _, running = self._find(request.task_id, request.exec_id)
        return pb.TaskExecStdinStatusResponse(
            num_bytes_written=running.written, closed=running.closed
        )

    async def task_exec_wait(self, request: pb.TaskExecWaitRequest) -> pb.TaskExecWaitResponse:
        sandbox, running = self._find(request.task_id, request.exec_id)
        code = await running.wait()
        if sandbox.result is not None:
            raise GRPCError(Status.NOT_FOUND, f"task {request.task_id} is not running")
        sandbox.touch()
        if running.late:  # the client's own deadline, which it answers with -1, is about to pass
            await asyncio.sleep(CLIENT_FIRST)
        if code >= 0:
            return pb.TaskExecWaitResponse(code=code)
        return pb.TaskExecWaitResponse(signal=-code)

    async def task_exec_poll(self, request: pb.TaskExecPollRequest) -> pb.TaskExecPollResponse:
        _, running = self._find(request.task_id, request.exec_id)
        if running.code is None:
            return pb.TaskExecPollResponse()
        if running.code >= 0:
            return pb.TaskExecPollResponse(code=running.code)
        return pb.TaskExecPollResponse(signal=-running.code)

    async def task_reload_volumes(
        self, request: pb.TaskReloadVolumesRequest
    ) -> pb.TaskReloadVolumesResponse:
        for copy in self._sandboxes.of_task(request.task_id).copies.values():
            copy.reload()
        return pb.TaskReloadVolumesResponse()

    async def task_snapshot_filesystem(
        self, request: pb.TaskSnapshotFilesystemRequest
    ) -> pb.TaskSnapshotFilesystemResponse:
        sandbox = self._sandboxes.of_task(request.task_id)
        image_id = await self._images.snapshot(sandbox.files.folder, sandbox.definition.image_id)
        return pb.TaskSnapshotFilesystemResponse(image_id=image_id)

    async def sandbox_wait_until_ready(
        self, request: pb.SandboxWaitUntilReadyTcrRequest
    ) -> pb.SandboxWaitUntilReadyTcrResponse:
        sandbox = self._sandboxes.of_task(request.task_id)
        return pb.SandboxWaitUntilReadyTcrResponse(ready_at=sandbox.created)

    async def sandbox_stdio_read_v2(
        self, request: pb.SandboxStdioReadV2Request
    ) -> AsyncIterator[pb.SandboxStdioReadV2Response]:
        sandbox = self._sandboxes.of_task(request.task_id)
        assert sandbox.main is not None
        first = request.file_descriptor == pb.SANDBOX_STDIO_FILE_DESCRIPTOR_STDOUT
        offset = request.offset
        async for chunk in sandbox.main.read(OUT if first else ERR, offset):
            yield pb.SandboxStdioReadV2Response(data=chunk, starting_offset=offset)
            offset += len(chunk)

    async def sandbox_stdin_write_v2(
        self, request: pb.SandboxStdinWriteV2Request
    ) -> pb.SandboxStdinWriteV2Response:
        sandbox = self._sandboxes.of_task(request.task_id)
        assert sandbox.main is not None
        await sandbox.main.write(request.offset, request.data)
        if request.eof:
            sandbox.main.close()
        return pb.SandboxStdinWriteV2Response()

    def _find(self, task_id: str, exec_id: str) -> tuple[Sandbox, Exec]:
        sandbox = self._sandboxes.of_task(task_id)
        return sandbox, sandbox.execs[exec_id]
