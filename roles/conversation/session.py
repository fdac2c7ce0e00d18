"""One call of a role as a conversation: ask, record, run tools, until there is an answer.

What to do next follows from what is recorded, so that a conversation that was broken off goes on
from its transcript as if nothing had happened. One that cannot go on is closed; the role begins
another on the same tree, at once where the first grew too long, else when it is called again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Generic

from graph import Emit, Retry, RetryPolicy, RoleTask, Spend, Stop
from graph.errors import (
    ClaudeRefused,
    ContextExceeded,
    RoleError,
    RoleInCircles,
    RoleNoAnswer,
    RoleTurnLimit,
)
from roles.claude.client import Claude
from roles.claude.prices import Effort, find_model
from roles.claude.reply import Block
from roles.conversation.deadline import Deadline
from roles.conversation.loop_detector import LoopDetector
from roles.conversation.model_request import RequestBuilder
from roles.conversation.model_turn import LimitReached, Turns
from roles.conversation.repeated_results import SeenResults
from roles.conversation.reply_budget import require_limit
from roles.conversation.spend_meter import SpendMeter
from roles.conversation.structured_answer import AnswerSchema, AnswerT, InvalidAnswer
from roles.conversation.tool_calls import ToolCalls
from roles.conversation.transcript import AssistantMessage, Purpose, Transcript, UserMessage
from roles.conversation.user_messages import Inbox
from roles.tools.toolbox import Toolbox
from roles.worktree.tree_digest import TreeView

Opening = Callable[[], Awaitable[str]]

_MAX_CUTS = 3
_WORTH_ANOTHER = 4
"""Messages of a conversation that is not too long because of its opening."""
_GO_ON = "Your reply was cut off at its length limit. Go on where it stopped, in smaller steps."
_CUT_CALL = "Not run. Call the tool again; write a large file in several smaller steps."
_INTERRUPTED = "interrupted, may have run in part: look at the state of the tree before you go on."
_STRAY_CALL = "Not run: the reply ended without asking for it."
_RESTORED = (
    " What you changed since then is not in it: look at `git status` and `git diff HEAD`, do again "
    "what is missing, then answer once more."
)
_LEFT_BEHIND = (
    "Not part of the change, though it is in your tree: {left}. Where the work needs some of it, "
    "make it part: remove a `.git` that you made, put files elsewhere than into a submodule, or "
    "take a file back by a line with `!` in `.gitignore`. Then answer once more, and claim nothing "
    "that is not in the change."
)
_LOOK = "Look at `git status` and `git diff HEAD` before you go on."
_DEAD_ENDS = (ClaudeRefused, ContextExceeded, RoleInCircles)
_CLOSED = {
    ClaudeRefused.code: "it was broken off",
    ContextExceeded.code: "it grew too long",
    RoleInCircles.code: "it went in circles, with the same steps again and again",
}
_KEPT = f" What it edited is in the work tree, unless that was lost. {_LOOK}"


@dataclass(frozen=True)
class RoleSpec(Generic[AnswerT]):
    """What makes a role: its prompt, the schema of its answer, how hard it thinks and how long.

    `changes` says that its work is what it leaves in its tree.
    """

    system: str
    answer_schema: AnswerSchema[AnswerT]
    effort: Effort = "medium"
    max_turns: int = 100
    changes: bool = False


@dataclass(frozen=True)
class SessionEnd(Generic[AnswerT]):
    """`answer` is None where a limit was reached first: `stopped` says which.

    `error` says why turns led to no answer: to be raised where there is nothing to hand over.
    """

    answer: AnswerT | None
    spend: Spend
    stopped: Stop | None = None
    error: RoleError | None = None


class Session(Generic[AnswerT]):
    """The conversation of one role call."""

    def __init__(
        self,
        spec: RoleSpec[AnswerT],
        *,
        task: RoleTask,
        model: str,
        claude: Claude,
        toolbox: Toolbox,
        transcript: Transcript,
        inbox: Inbox,
        emit: Emit,
        retry_policy: RetryPolicy,
        tree: TreeView | None = None,
    ) -> None:
        self._spec = spec
        self._task = task
        self._model = model
        self._transcript = transcript
        self._inbox = inbox
        deadline = Deadline.before(task.budget.deadline)
        self._meter = SpendMeter(task, emit)
        self._tools = ToolCalls(toolbox, task.role, deadline, emit)
        self._tree = tree
        self._loop_detector = LoopDetector(
            task.role, tree.digest if tree and spec.changes else None
        )
        self._emit = emit
        self._requests = RequestBuilder(
            model=model,
            system=spec.system,
            tools=toolbox.definitions,
            output_format=spec.answer_schema.output_format,
            effort=spec.effort,
        )
        self._turns = Turns(
            claude=claude,
            requests=self._requests,
            transcript=transcript,
            task=task,
            meter=self._meter,
            deadline=deadline,
            retry_policy=retry_policy,
            emit=emit,
        )

    async def run(self, opening: Opening) -> SessionEnd[AnswerT]:
        """Converse until the answer; `opening` makes the first message where there is none yet."""
        require_limit(self._model, find_model(self._model), self._task.budget)
        if self._transcript.loaded:
            await self._transcript.reckon_unseen(time.time())
            self._emit_again()
        try:
            if not self._transcript.loaded or self._transcript.closed:
                await self._begin(opening)
            else:
                await self._report_restored()
            answer = await self._reach_answer(opening)
        except LimitReached as end:
            await self._transcript.save()
            return SessionEnd(None, self._meter.spend, end.stop)
        except (RoleTurnLimit, RoleInCircles, RoleNoAnswer) as error:
            await self._transcript.save()
            return SessionEnd(None, self._meter.spend, "turns", error)
        return SessionEnd(answer, self._meter.spend)

    async def _begin(self, opening: Opening) -> None:
        """Begin a conversation, with what is to be known of one before it."""
        content = [_text(await opening())]
        if why := self._transcript.closed:
            before = f"An earlier conversation about this ended without an answer: {_CLOSED[why]}."
            content.append(_text(before + (_KEPT if self._spec.changes else "")))
            self._requests.forget_messages()
        await self._say("opening", content)

    async def _reach_answer(self, opening: Opening) -> AnswerT:
        """Converse; once, begin again where the conversation grew too long."""
        try:
            return await self._converse()
        except ContextExceeded as full:
            if len(self._transcript.conversation) < _WORTH_ANOTHER:
                raise
            self._emit(
                Retry(
                    key=f"{self._task.step}.{self._transcript.turn}.anew",
                    what="claude",
                    attempt=1,
                    wait_ms=0,
                    reason=f"{full.message} The {self._task.role} begins another conversation.",
                )
            )
        await self._begin(opening)
        return await self._converse()

    async def _converse(self) -> AnswerT:
        """Converse to the end; a dead one is recorded as such."""
        try:
            return await self._take_turns()
        except _DEAD_ENDS as end:
            await self._transcript.close(end.code)
            raise

    async def _take_turns(self) -> AnswerT:
        turns = 0
        while True:
            last = self._transcript.messages[-1]
            if isinstance(last, AssistantMessage):
                answer = await self._respond(last)
                if answer is not None:
                    return answer
                continue
            if turns >= self._spec.max_turns:
                raise RoleTurnLimit(
                    f"The {self._task.role} used all its {turns} turns.",
                    "Resume the run, or split the request.",
                )
            turns += 1
            await self._turns.take()

    async def _respond(self, reply: AssistantMessage) -> AnswerT | None:
        """Act on a whole reply: return its answer, or say what comes next."""
        match reply.stop_reason:
            case "refusal":
                raise _refusal(reply)
            case "model_context_window_exceeded":
                raise ContextExceeded(
                    f"The {self._task.role}'s conversation no longer fits {reply.model}.",
                    "Split the request, or use a model with a larger window.",
                )
            case "tool_use":
                await self._run_tools(reply)
            case "max_tokens":
                await self._ask_to_continue(reply, _GO_ON, _CUT_CALL)
            case "pause_turn":  # sent back alone it is a prefill, where no tool is the server's
                await self._ask_to_continue(reply, "Go on.", _STRAY_CALL)
            case _:
                return await self._read_answer(reply)
        return None

    async def _run_tools(self, reply: AssistantMessage) -> None:
        key = f"{self._task.step}.{self._transcript.turn - 1}.{reply.attempt}"
        if len(self._transcript.messages) == self._transcript.loaded:
            seen_now = await self._tree.show() if self._tree else ""
            message = self._tools.answer_unrun(reply, key, _INTERRUPTED + seen_now)
        else:
            messages = self._transcript.conversation
            seen = SeenResults.from_conversation(messages, self._requests.count_cleared(messages))
            message = await self._tools.run(reply, key, seen)
            if note := await self._loop_detector.check(messages, message):
                message.content.append(_text(note))
        await self._append(message)

    async def _ask_to_continue(self, reply: AssistantMessage, text: str, call: str) -> None:
        if self._transcript.purposes[-_MAX_CUTS:] == ["go_on"] * _MAX_CUTS:
            raise RoleNoAnswer(
                f"The {self._task.role}'s reply was cut off {_MAX_CUTS + 1} times in a row.",
                "Split the request.",
            )
        await self._say_to(reply, "go_on", text, call)

    async def _read_answer(self, reply: AssistantMessage) -> AnswerT | None:
        try:
            answer = self._spec.answer_schema.parse(reply.content)
        except InvalidAnswer as invalid:
            if "ask_again" in self._transcript.purposes:
                raise RoleNoAnswer(
                    f"The {self._task.role}'s answer does not fit its form: {invalid}."
                ) from invalid
            prompt = self._spec.answer_schema.retry_prompt(invalid)
            await self._say_to(reply, "ask_again", prompt)
            return None
        problem = self._spec.answer_schema.self_check(answer)
        if not problem or self._has_said("doubt"):
            return answer if await self._tree_is_kept(reply) else None
        await self._say_to(reply, "doubt", problem)
        return None

    async def _report_restored(self) -> None:
        """Say what befell the tree, where no message of ours will before the next reply."""
        waits = isinstance(self._transcript.messages[-1], UserMessage)
        if waits and self._tree and (notices := self._tree.notices()):
            await self._say("restored", [_text(f"{notices} {_LOOK}")])

    async def _tree_is_kept(self, reply: AssistantMessage) -> bool:
        """Whether the answer is about the change that is taken now: all of it, of no lost tree."""
        if self._tree is None or self._tree.take is None:
            return True
        await self._tree.take()
        if notices := self._tree.notices():
            await self._say_to(reply, "restored", notices + _RESTORED)
            return False
        left = self._tree.left_behind()
        if left and not self._has_said("left_behind"):
            await self._say_to(reply, "left_behind", _LEFT_BEHIND.format(left=left))
            return False
        return True

    def _has_said(self, purpose: Purpose) -> bool:
        said = (m.purpose for m in self._transcript.conversation if isinstance(m, UserMessage))
        return purpose in said

    async def _say_to(
        self, reply: AssistantMessage, purpose: Purpose, text: str, call: str = _STRAY_CALL
    ) -> None:
        """Answer a reply; `call` is what each call in it is told, as none was run."""
        results: list[Block] = [
            {"type": "tool_result", "tool_use_id": block["id"], "content": call, "is_error": True}
            for block in reply.tool_calls
        ]
        await self._say(purpose, [*results, _text(text)])

    async def _say(self, purpose: Purpose, content: list[Block]) -> None:
        await self._append(UserMessage(purpose=purpose, content=content))

    async def _append(self, message: UserMessage) -> None:
        """Say it, and with it what befell the tree, and what the user has said meanwhile."""
        notices = self._tree.notices() if self._tree else ""
        if notices and message.purpose != "opening":
            message.content.append(_text(notices))
        heard = set() if message.purpose == "opening" else self._transcript.heard
        unread = await asyncio.to_thread(self._inbox.unread, heard)
        message.content += unread.values()
        message.heard = list(unread)
        await self._transcript.append(message)

    def _emit_again(self) -> None:
        """Say of the recorded messages what may not have been heard, under the same keys."""
        turn = 1
        messages = self._transcript.messages
        for index, (message, after) in enumerate(zip_longest(messages, messages[1:])):
            self._turns.report_lost(index, turn)
            if isinstance(message, AssistantMessage):
                key = f"{self._task.step}.{turn}.{message.attempt}"
                self._meter.report(key, message.model, message.usage)
                if isinstance(after, UserMessage) and after.calls:
                    self._tools.emit_again(message, after, key)
                turn += 1


def _refusal(reply: AssistantMessage) -> ClaudeRefused:
    details: dict[str, Any] = reply.stop_details or {}
    category = details.get("category") or "no category"
    explanation = details.get("explanation") or ""
    return ClaudeRefused(
        f"Claude refused to go on ({category}). {explanation}".strip()[:500],
        "Word the request otherwise, or use another model.",
    )


def _text(text: str) -> Block:
    return {"type": "text", "text": text}
