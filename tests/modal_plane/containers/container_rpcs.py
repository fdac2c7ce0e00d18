"""The RPCs that a function's container makes: it asks for inputs, and hands in outputs."""

import asyncio

from grpclib import GRPCError, Status
from modal_proto import api_pb2 as pb

from tests.modal_plane.containers.container import Container
from tests.modal_plane.functions.calls import Calls, Input
from tests.modal_plane.functions.scheduler import Scheduler
from tests.modal_plane.storage.volumes import VolumeCopy, Volumes

HEARTBEAT = 5.0
DEFAULT_TIMEOUT = 300
RESTRICTED = frozenset(
    (
        "ClientHello",
        "AuthTokenGet",
        "BlobCreate",
        "BlobGet",
        "ContainerHello",
        "ContainerHeartbeat",
        "FunctionCallGetDataIn",
        "FunctionCallPutDataOut",
        "FunctionGetDynamicConcurrency",
        "FunctionGetInputs",
        "FunctionPutOutputs",
        "TaskResult",
        "VolumeCommit",
        "VolumeReload",
    )
)  # what a function with restricted access to Modal may ask


class ContainerCalls:
    """What one container's entry point asks of Modal."""

    def __init__(
        self, container: Container, calls: Calls, scheduler: Scheduler, volumes: Volumes
    ) -> None:
        self._container = container
        self._calls = calls
        self._scheduler = scheduler
        self._volumes = volumes

    async def container_hello(self, request: object) -> None:
        """It is known that the container is there: its process was started here."""

    async def container_heartbeat(
        self, request: pb.ContainerHeartbeatRequest
    ) -> pb.ContainerHeartbeatResponse:
        container = self._container
        try:
            async with asyncio.timeout(HEARTBEAT):
                await container.wake.wait()
        except TimeoutError:
            return pb.ContainerHeartbeatResponse()
        container.wake.clear()
        cancelled, container.cancelled = container.cancelled, []
        if not cancelled:
            return pb.ContainerHeartbeatResponse()
        return pb.ContainerHeartbeatResponse(
            cancel_input_event=pb.CancelInputEvent(
                input_ids=cancelled, terminate_containers=container.kill_on_cancel
            )
        )

    async def function_get_dynamic_concurrency(
        self, request: pb.FunctionGetDynamicConcurrencyRequest
    ) -> pb.FunctionGetDynamicConcurrencyResponse:
        return pb.FunctionGetDynamicConcurrencyResponse(concurrency=request.target_concurrency)

    async def function_get_inputs(
        self, request: pb.FunctionGetInputsRequest
    ) -> pb.FunctionGetInputsResponse:
        container, function = self._container, self._container.function
        container.asking.set()
        entry = await self._next()
        while entry is not None and entry.done:  # it was cancelled before its turn
            entry = await self._next()
        if entry is None:
            container.expected = True
            container.retired.set()
            stop = pb.FunctionGetInputsItem(kill_switch=True)
            return pb.FunctionGetInputsResponse(inputs=[stop])
        entry.task_id = container.task_id
        container.inputs.append(entry)
        container.taken += 1
        if function.definition.single_use_containers:
            container.retired.set()
        seconds = function.definition.timeout_secs or DEFAULT_TIMEOUT
        asyncio.get_running_loop().call_later(seconds, self._expire, entry, entry.retries)
        item = pb.FunctionGetInputsItem(
            input_id=entry.input_id,
            input=entry.item,
            function_call_id=entry.call.call_id,
            function_call_invocation_type=entry.kind,
            retry_count=entry.retries,
        )
        return pb.FunctionGetInputsResponse(inputs=[item])

    async def _next(self) -> Input | None:
        """The next input; nothing where none came in time, or the container is to take no more."""
        container, function = self._container, self._container.function
        if container.spent:
            return None
        taking = asyncio.create_task(function.waiting.get())
        retiring = asyncio.create_task(container.retired.wait())
        taken = False
        try:
            await asyncio.wait(
                {taking, retiring}, timeout=function.idle, return_when=asyncio.FIRST_COMPLETED
            )
            taken = taking.done() and not container.spent
            return taking.result() if taken else None
        finally:
            retiring.cancel()
            if not taking.cancel() and not taken:
                function.waiting.put_nowait(taking.result())

    def _expire(self, entry: Input, attempt: int) -> None:
        container = self._container
        if entry in container.inputs and not entry.done and entry.retries == attempt:
            self._scheduler.spawn(self._time_out(entry))

    async def _time_out(self, entry: Input) -> None:
        container = self._container
        container.expected = True
        container.inputs.remove(entry)
        result = pb.GenericResult(
            status=pb.GenericResult.GENERIC_STATUS_TIMEOUT,
            exception="Task's current input hit its timeout",
        )
        await self._calls.finish(entry, result, pb.DATA_FORMAT_PICKLE, container.task_id)
        container.kill()

    async def function_put_outputs(self, request: pb.FunctionPutOutputsRequest) -> None:
        """A preempted container tells of its inputs' end as of a cancellation: they run again."""
        container = self._container
        cancelled = pb.GenericResult.GENERIC_STATUS_TERMINATED
        for output in request.outputs:
            if container.preempted and output.result.status == cancelled:
                continue
            entry = self._calls.inputs[output.input_id]
            if entry in container.inputs:
                container.inputs.remove(entry)
            await self._calls.finish(entry, output.result, output.data_format, container.task_id)

    async def function_call_put_data_out(self, request: pb.FunctionCallPutDataRequest) -> None:
        call = self._calls.by_id[request.function_call_id]
        call.data_out += request.data_chunks
        await call.tell()

    async def task_result(self, request: pb.TaskResultRequest) -> None:
        """The container could not begin, or fell: what waits for its function fails likewise."""
        container = self._container
        container.expected = True
        waiting = container.function.waiting
        entries = list(container.inputs)
        container.inputs.clear()
        while not waiting.empty():
            entries.append(waiting.get_nowait())
        for entry in entries:
            await self._calls.finish(
                entry, request.result, pb.DATA_FORMAT_PICKLE, container.task_id
            )

    async def volume_commit(self, request: pb.VolumeCommitRequest) -> pb.VolumeCommitResponse:
        self._copy(request.volume_id).commit()
        return pb.VolumeCommitResponse(skip_reload=not self._volumes.reload_on_commit)

    async def volume_reload(self, request: pb.VolumeReloadRequest) -> None:
        copy = self._copy(request.volume_id)
        held = copy.open_by(self._container.processes())
        if held:
            raise GRPCError(
                Status.FAILED_PRECONDITION,
                f"there are open files preventing the operation: path {held} is open",
            )
        if self._volumes.background is not None:
            copy.commit()
        copy.reload()

    def _copy(self, volume_id: str) -> VolumeCopy:
        copy = self._container.copies.get(volume_id)
        if copy is None:
            raise GRPCError(Status.NOT_FOUND, f"Volume {volume_id} is not mounted here")
        return copy
