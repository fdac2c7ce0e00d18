"""Function calls: their inputs, outputs and the data that streams in and out of them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Protocol

from grpclib import GRPCError, Status
from modal_proto import api_pb2 as pb

from tests.modal_plane.functions.registry import Function, Functions
from tests.modal_plane.ids import new_id

LONGEST_POLL = 55.0
FAILED = (
    pb.GenericResult.GENERIC_STATUS_FAILURE,
    pb.GenericResult.GENERIC_STATUS_TIMEOUT,
    pb.GenericResult.GENERIC_STATUS_INTERNAL_FAILURE,
)
RETRY_DELAY = 0.05


@dataclass
class Input:
    """One input of a call, and the container that works on it."""

    input_id: str
    call: "Call"
    index: int
    item: pb.FunctionInput
    kind: pb.FunctionCallInvocationType.ValueType
    retries: int = 0
    crashes: int = 0
    task_id: str = ""
    done: bool = False


@dataclass
class Call:
    call_id: str
    function: Function
    inputs: list[Input] = field(default_factory=list)
    outputs: list[pb.FunctionGetOutputsItem] = field(default_factory=list)
    data_in: list[pb.DataChunk] = field(default_factory=list)
    data_out: list[pb.DataChunk] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def done(self) -> bool:
        return all(entry.done for entry in self.inputs)

    async def tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def wait(self, condition: Callable[[], bool], seconds: float | None = None) -> bool:
        """Wait until `condition` holds; whether it does."""
        try:
            async with asyncio.timeout(seconds), self.changed:
                await self.changed.wait_for(condition)
        except TimeoutError:
            return condition()
        return True

    async def follow(
        self, chunks: list[pb.DataChunk], ended: Callable[[], bool]
    ) -> AsyncIterator[pb.DataChunk]:
        """Each of `chunks` as it comes, until the call has `ended`."""
        place = 0
        while True:
            async with self.changed:
                while place >= len(chunks) and not ended():
                    await self.changed.wait()
            if place >= len(chunks):
                return
            yield chunks[place]
            place += 1

    def put(self, direction: list[pb.DataChunk], data: bytes, data_format: int) -> None:
        direction.append(
            pb.DataChunk(
                index=len(direction) + 1,
                data=data,
                data_format=pb.DataFormat.ValueType(data_format),
            )
        )


class Runner(Protocol):
    """What finds a container for an input."""

    def enqueue(self, entry: Input) -> None: ...

    def cancel(self, entry: Input, *, kill: bool) -> None: ...


class Calls:
    """Every call, and the RPCs of those who make one."""

    def __init__(self, functions: Functions) -> None:
        self.by_id: dict[str, Call] = {}
        self.inputs: dict[str, Input] = {}
        self.runner: Runner | None = None
        self.functions = functions

    def begin(self, function_id: str) -> Call:
        call = Call(new_id("fc"), self.functions.by_id[function_id])
        self.by_id[call.call_id] = call
        return call

    def add(
        self, call: Call, item: pb.FunctionInput, kind: pb.FunctionCallInvocationType.ValueType
    ) -> Input:
        """Put one more input to the call's function."""
        entry = Input(new_id("in"), call, len(call.inputs), item, kind)
        call.inputs.append(entry)
        self.inputs[entry.input_id] = entry
        self._enqueue(entry)
        return entry

    def _enqueue(self, entry: Input) -> None:
        assert self.runner is not None
        self.runner.enqueue(entry)

    async def finish(
        self, entry: Input, result: pb.GenericResult, data_format: int, task_id: str
    ) -> None:
        """End an input with `result`, or run it again where its function's retries allow."""
        if entry.done:
            return
        entry.task_id = ""
        policy = entry.call.function.definition.retry_policy
        if result.status in FAILED and entry.retries < policy.retries:
            entry.retries += 1
            delay = min(policy.initial_delay_ms / 1000, RETRY_DELAY)
            asyncio.get_running_loop().call_later(delay, self._enqueue, entry)
            return
        entry.done = True
        entry.call.outputs.append(
            pb.FunctionGetOutputsItem(
                result=result,
                idx=entry.index,
                input_id=entry.input_id,
                data_format=pb.DataFormat.ValueType(data_format),
                task_id=task_id,
                retry_count=entry.retries,
            )
        )
        await entry.call.tell()

    def expire(self, call_id: str) -> None:
        """Let a call's results have expired, as after some days."""
        self.by_id[call_id].outputs.clear()

    async def function_map(self, request: pb.FunctionMapRequest) -> pb.FunctionMapResponse:
        call = self.begin(request.function_id)
        kind = request.function_call_invocation_type
        entries = [self.add(call, item.input, kind) for item in request.pipelined_inputs]
        return pb.FunctionMapResponse(
            function_call_id=call.call_id, pipelined_inputs=_taken(entries)
        )

    async def function_put_inputs(
        self, request: pb.FunctionPutInputsRequest
    ) -> pb.FunctionPutInputsResponse:
        call = self.by_id[request.function_call_id]
        kind = pb.FUNCTION_CALL_INVOCATION_TYPE_SYNC
        entries = [self.add(call, item.input, kind) for item in request.inputs]
        return pb.FunctionPutInputsResponse(inputs=_taken(entries))

    async def function_get_outputs(
        self, request: pb.FunctionGetOutputsRequest
    ) -> pb.FunctionGetOutputsResponse:
        call = self.by_id[request.function_call_id]
        last = request.end_idx if request.end_idx or request.start_idx else -1

        def wanted() -> list[pb.FunctionGetOutputsItem]:
            return [
                output
                for output in call.outputs
                if output.idx >= request.start_idx and (last < 0 or output.idx <= last)
            ]

        seconds = max(0.01, min(request.timeout, LONGEST_POLL))
        await call.wait(lambda: bool(wanted()) or call.done, seconds)
        return pb.FunctionGetOutputsResponse(
            outputs=wanted(),
            last_entry_id="1",
            num_unfinished_inputs=sum(not entry.done for entry in call.inputs),
        )

    async def function_call_from_id(
        self, request: pb.FunctionCallFromIdRequest
    ) -> pb.FunctionCallFromIdResponse:
        call = self.by_id[request.function_call_id]
        return pb.FunctionCallFromIdResponse(
            function_call_id=call.call_id, num_inputs=len(call.inputs)
        )

    async def function_call_cancel(self, request: pb.FunctionCallCancelRequest) -> None:
        for entry in self.by_id[request.function_call_id].inputs:
            if entry.done:
                continue
            if entry.task_id:
                assert self.runner is not None
                self.runner.cancel(entry, kill=request.terminate_containers)
            else:
                result = pb.GenericResult(status=pb.GenericResult.GENERIC_STATUS_TERMINATED)
                await self.finish(entry, result, pb.DATA_FORMAT_PICKLE, "")

    async def function_call_get_data_out(
        self, request: pb.FunctionCallGetDataRequest
    ) -> AsyncIterator[pb.DataChunk]:
        call = self.by_id[request.function_call_id]
        async for chunk in call.follow(call.data_out, lambda: call.done):
            if chunk.index > request.last_index:
                yield chunk

    async def function_call_get_data_in(
        self, request: pb.FunctionCallGetDataRequest
    ) -> AsyncIterator[pb.DataChunk]:
        call = self.by_id[request.function_call_id]
        async for chunk in call.follow(call.data_in, lambda: call.done):
            if chunk.index > request.last_index:
                yield chunk

    async def function_retry_inputs(self, request: pb.FunctionRetryInputsRequest) -> None:
        raise GRPCError(Status.UNIMPLEMENTED, "inputs are retried by the plane itself")


def _taken(entries: list[Input]) -> list[pb.FunctionPutInputsResponseItem]:
    return [
        pb.FunctionPutInputsResponseItem(
            idx=entry.index, input_id=entry.input_id, input_jwt=entry.input_id
        )
        for entry in entries
    ]
