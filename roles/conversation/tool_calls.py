"""The tool calls of one reply: run, reported as events, and answered in one message."""

import asyncio
import time
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass

from graph import Emit, RoleName, ToolFinished, ToolStarted
from roles.claude.reply import Block
from roles.conversation.opening import answer_call
from roles.conversation.repeated_results import SeenResults
from roles.tools.toolbox import Toolbox, ToolResult
from roles.transcript.transcript import AssistantMessage, CallRecord, UserMessage
from roles.turns.deadline import Deadline

_AT_ONCE = 8
_MAX_CALLS = 100
_TOO_MANY = f"Not run: a reply may call at most {_MAX_CALLS} tools. Call this one again."
_TOO_LATE = "Not run: the time of the run is spent."


@dataclass
class ToolCalls:
    """Runs calls in their order; neighbours that only read run side by side."""

    toolbox: Toolbox
    role: RoleName
    deadline: Deadline
    emit: Emit
    answer: str
    """Name of the tool that ends the role, which is not run."""

    async def run(self, reply: AssistantMessage, key: str, seen: SeenResults) -> UserMessage:
        """Run all calls of a reply and make the message that answers them."""
        blocks: list[Block] = []
        records: list[CallRecord] = []
        for batch in self._batches(self._calls_of(reply)):
            calls = [self._run_one(call, number, f"{key}.call{number}") for number, call in batch]
            for (_, call), (result, record) in zip(batch, await _gather(calls), strict=True):
                content = seen.refer_or_keep(call, result.content, record)
                blocks.append(answer_call(call, content, is_error=result.is_error))
                records.append(record)
        return UserMessage(purpose="results", content=blocks, calls=records)

    def answer_unrun(self, reply: AssistantMessage, key: str, text: str) -> UserMessage:
        """Answer all calls of a reply without running them."""
        blocks, records = [], []
        for number, call in enumerate(self._calls_of(reply)):
            record = CallRecord(ok=False)
            self._emit_started(call, f"{key}.call{number}")
            self._emit_finished(call, f"{key}.call{number}", text, record)
            blocks.append(answer_call(call, text, is_error=True))
            records.append(record)
        return UserMessage(purpose="results", content=blocks, calls=records)

    def emit_again(self, reply: AssistantMessage, answer: UserMessage, key: str) -> None:
        """Say of recorded calls what was said when they ran."""
        results = [block for block in answer.content if block["type"] == "tool_result"]
        calls = zip(self._calls_of(reply), results, answer.calls, strict=False)
        for number, (call, block, record) in enumerate(calls):
            self._emit_started(call, f"{key}.call{number}")
            self._emit_finished(call, f"{key}.call{number}", str(block["content"]), record)

    def _calls_of(self, reply: AssistantMessage) -> list[Block]:
        return [call for call in reply.tool_calls if call["name"] != self.answer]

    def _batches(self, calls: list[Block]) -> Iterator[list[tuple[int, Block]]]:
        batch: list[tuple[int, Block]] = []
        for number, call in enumerate(calls):
            reads = self.toolbox.reads_only(call)
            if batch and (not reads or len(batch) == _AT_ONCE):
                yield batch
                batch = []
            batch.append((number, call))
            if not reads:
                yield batch
                batch = []
        if batch:
            yield batch

    async def _run_one(self, call: Block, number: int, key: str) -> tuple[ToolResult, CallRecord]:
        """Run a call, or say why it is not begun."""
        self._emit_started(call, key)
        began = time.monotonic()
        if number >= _MAX_CALLS:
            result = ToolResult(_TOO_MANY, is_error=True)
        elif not (left_s := self.deadline.left_s):
            result = ToolResult(_TOO_LATE, is_error=True)
        else:
            result = await self.toolbox.call(call, left_s)
        record = CallRecord(
            ok=result.ok,
            exit_code=result.exit_code,
            duration_ms=round((time.monotonic() - began) * 1000),
        )
        self._emit_finished(call, key, result.content, record)
        return result, record

    def _emit_started(self, call: Block, key: str) -> None:
        event = ToolStarted(
            key=f"{key}.started",
            role=self.role,
            call_id=call["id"],
            tool=call["name"],
            input=call["input"],
        )
        self.emit(event)

    def _emit_finished(self, call: Block, key: str, output: str, record: CallRecord) -> None:
        event = ToolFinished(
            key=f"{key}.finished",
            role=self.role,
            call_id=call["id"],
            ok=record.ok,
            output=output,
            exit_code=record.exit_code,
            duration_ms=record.duration_ms,
        )
        self.emit(event)


async def _gather(
    calls: Sequence[Coroutine[None, None, tuple[ToolResult, CallRecord]]],
) -> list[tuple[ToolResult, CallRecord]]:
    """All results in order; the first error ends the others and is raised as itself."""
    if len(calls) == 1:
        return [await calls[0]]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call) for call in calls]
    except ExceptionGroup as several:
        raise several.exceptions[0] from several
    return [task.result() for task in tasks]
