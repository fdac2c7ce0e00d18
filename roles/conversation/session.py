"""One call of a role as a conversation: ask, record, run tools, until there is an answer.

What to do next follows from what is recorded, so that a conversation that was broken off goes on
from its transcript as if nothing had happened. One that cannot go on is closed; the role begins
another on the same tree, at once where the first grew too long, else when it is called again.
"""

import time
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
from roles.claude.prices import find_model
from roles.claude.reply import Block
from roles.conversation.answer_check import AnswerCheck, Objection
from roles.conversation.answer_tool import AnswerT
from roles.conversation.loop_detector import LoopDetector
from roles.conversation.opening import LOOK, TAKEN, FirstMessage, Opening, answer_call, text
from roles.conversation.remaining import Remaining
from roles.conversation.repeated_results import ConversationResults
from roles.conversation.role_spec import RoleSpec
from roles.conversation.tool_calls import ToolCalls
from roles.conversation.user_messages import Inbox
from roles.tools.toolbox import Toolbox
from roles.transcript.transcript import (
    FIRST,
    AssistantMessage,
    Message,
    Purpose,
    Transcript,
    UserMessage,
    holds,
)
from roles.turns.deadline import Deadline
from roles.turns.model_request import RequestBuilder
from roles.turns.model_turn import LimitReached, Turns
from roles.turns.reply_budget import require_limit
from roles.turns.spend_meter import SpendMeter
from roles.worktree.tree_digest import UNCHANGING, TreeView

_MAX_CUTS = 3
_WORTH_ANOTHER = 4
"""Messages of a conversation that is not too long because of its opening."""
_GO_ON = "Your reply was cut off at its length limit. Go on where it stopped, in smaller steps."
_CUT_CALL = "Not run. Call the tool again; write a large file in several smaller steps."
_INTERRUPTED = "interrupted, may have run in part: look at the state of the tree before you go on."
_STRAY_CALL = "Not run: the reply ended without asking for it."
_TOO_SOON = "Not taken, as a call beside it failed or was not run. See its result first."
_FINISH = "Bring what matters most to its end."
_DEAD_ENDS = (ClaudeRefused, ContextExceeded, RoleInCircles)


@dataclass(frozen=True)
class SessionEnd(Generic[AnswerT]):
    """`answer` is None where a limit was reached first: `stopped` says which.

    `error` says why turns led to no answer: to be raised where there is nothing to hand over.
    """

    answer: AnswerT | None
    spend: Spend
    stopped: Stop | None = None
    error: RoleError | None = None
    shortfall: str = ""


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
        tools = toolbox.with_tools(*spec.refused_tools)
        self._tools = ToolCalls(tools, task.role, deadline, emit, spec.answer.name)
        self._tree = tree or UNCHANGING
        self._loop_detector = LoopDetector(
            task.role, tree.digest if tree and spec.changes else None
        )
        self._emit = emit
        self._untold = ""
        self._taken = 0
        self._results = ConversationResults()
        self._remaining = Remaining(task, self._meter, deadline, spec.max_turns)
        self._requests = RequestBuilder(
            model=model,
            system=spec.system,
            tools=toolbox.definitions + spec.answer_tools,
            effort=spec.effort,
        )
        self._first = FirstMessage(spec, task, transcript, self._requests)
        self._answers = AnswerCheck(task.role, spec.answer, transcript, tree)
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
                await self._append(await self._first.write(opening))
            else:
                self._untold = self._find_untold()
                await self._report_restored()
            self._turns.recall()
            answer = await self._reach_answer(opening)
        except LimitReached as end:
            await self._transcript.save()
            return SessionEnd(None, self._meter.spend, end.stop, shortfall=end.shortfall)
        except (RoleTurnLimit, RoleInCircles, RoleNoAnswer) as error:
            await self._transcript.save()
            return SessionEnd(None, self._meter.spend, "turns", error)
        return SessionEnd(answer, self._meter.spend)

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
        await self._append(await self._first.write(opening))
        return await self._converse()

    async def _converse(self) -> AnswerT:
        """Converse to the end; a dead one is recorded as such."""
        try:
            return await self._take_turns()
        except _DEAD_ENDS as end:
            await self._transcript.close(end.code)
            raise

    async def _take_turns(self) -> AnswerT:
        self._taken = 0
        while True:
            answer = await self._respond(self._transcript.messages[-1])
            if answer is not None:
                return answer
            if self._taken >= self._spec.max_turns:
                raise RoleTurnLimit(
                    f"The {self._task.role} used all its {self._taken} turns.",
                    "Resume the run, or split the request.",
                )
            self._taken += 1
            await self._turns.take()
            self._inbox.mark_answered(self._transcript.heard)

    async def _respond(self, last: Message) -> AnswerT | None:
        """Act on what was said last: return the answer, or say what comes next."""
        if isinstance(last, UserMessage):
            return await self._return_taken(last)
        match last.stop_reason:
            case "refusal":
                raise _refusal(last)
            case "model_context_window_exceeded":
                raise ContextExceeded(
                    f"The {self._task.role}'s conversation no longer fits {last.model}.",
                    "Split the request, or use a model with a larger window.",
                )
            case "max_tokens":
                await self._ask_to_continue(last, _GO_ON, _CUT_CALL)
            case "pause_turn":  # sent back alone it is a prefill, where no tool is the server's
                await self._ask_to_continue(last, "Go on.", _STRAY_CALL)
            case "tool_use" if last.tool_calls and not self._ends_only(last):
                return await self._run_tools(last)
            case _:
                return await self._read_answer(last)
        return None

    def _ends_only(self, reply: AssistantMessage) -> bool:
        """Whether a reply calls the tool that ends the role, and no other."""
        return {call["name"] for call in reply.tool_calls} == {self._spec.answer.name}

    async def _run_tools(self, reply: AssistantMessage) -> AnswerT | None:
        """Run what a reply calls; the answer that it gives beside counts where all of it worked."""
        key = f"{self._task.step}.{self._transcript.turn - 1}.{reply.attempt}"
        answer, note = None, ""
        if len(self._transcript.messages) == self._transcript.loaded:
            seen_now = await self._tree.show()
            message = self._tools.answer_unrun(reply, key, _INTERRUPTED + seen_now)
        else:
            messages = self._transcript.conversation
            seen = self._results.see(messages, self._requests.count_cleared(messages))
            message = await self._turns.keeper.during(self._tools.run(reply, key, seen))
            note = await self._loop_detector.check(self._transcript.own, message)
        if endings := [c for c in reply.tool_calls if c["name"] == self._spec.answer.name]:
            answer, said = await self._judge_beside(reply, message)
            message.content += (answer_call(c, said, is_error=answer is None) for c in endings)
        if note and answer is None:
            message.content.append(text(note))
        low = self._remaining.nearly_spent(self._taken, self._transcript.own)
        if low and answer is None:
            message.content.append(text(f"{' '.join(low.values())} {_FINISH}"))
            message.limits_told = [*low]
        await self._append(message)
        if answer is not None:
            await self._transcript.save()
        return answer

    async def _judge_beside(
        self, reply: AssistantMessage, message: UserMessage
    ) -> tuple[AnswerT | None, str]:
        """The answer beside other calls, or None; and what is said of it."""
        if not all(record.ok for record in message.calls):
            return None, _TOO_SOON
        verdict = await self._answers.judge(reply)
        if isinstance(verdict, Objection):
            message.purpose = verdict.purpose
            return None, verdict.text
        message.purpose = "answered"
        return verdict, TAKEN

    async def _return_taken(self, last: UserMessage) -> AnswerT | None:
        """The answer that was taken before this call began, if its tree is still there."""
        if last.purpose != "answered":
            return None
        reply = self._transcript.messages[-2]
        assert isinstance(reply, AssistantMessage)
        verdict = await self._answers.judge(reply)
        if isinstance(verdict, Objection):
            await self._say(verdict.purpose, [text(verdict.text)])
            return None
        return verdict

    async def _ask_to_continue(self, reply: AssistantMessage, said: str, call: str) -> None:
        if self._transcript.purposes[-_MAX_CUTS:] == ["go_on"] * _MAX_CUTS:
            raise RoleNoAnswer(
                f"The {self._task.role}'s reply was cut off {_MAX_CUTS + 1} times in a row.",
                "Split the request.",
            )
        await self._say_to(reply, "go_on", said, call)

    async def _read_answer(self, reply: AssistantMessage) -> AnswerT | None:
        verdict = await self._answers.judge(reply)
        if not isinstance(verdict, Objection):
            return verdict
        call = verdict.text if self._ends_only(reply) else _STRAY_CALL
        said = "" if self._ends_only(reply) else verdict.text
        await self._say_to(reply, verdict.purpose, said, call)
        return None

    async def _report_restored(self) -> None:
        """Say what befell the tree, where no message of ours will before the next reply."""
        last = self._transcript.messages[-1]
        if not isinstance(last, UserMessage) or last.purpose == "answered":
            return
        if (notices := self._tree.news(self._transcript.sandbox)) or self._untold:
            await self._say("restored", [text(f"{notices} {LOOK}")] if notices else [])

    def _find_untold(self) -> str:
        """The role's instructions, where a conversation of another release lacks them."""
        known = holds(self._transcript.conversation, self._spec.instructions)
        return "" if known else self._spec.instructions

    async def _say_to(
        self, reply: AssistantMessage, purpose: Purpose, said: str, call: str
    ) -> None:
        """Answer a reply; `call` is what each call in it is told, as none was run."""
        results = [answer_call(each, call, is_error=True) for each in reply.tool_calls]
        await self._say(purpose, [*results, *([text(said)] if said else [])])

    async def _say(self, purpose: Purpose, content: list[Block]) -> None:
        await self._append(UserMessage(purpose=purpose, content=content))

    async def _append(self, message: UserMessage) -> None:
        """Say it, and with it what befell the tree, and what the user has said meanwhile."""
        message.sandbox = known = self._transcript.sandbox
        if message.purpose != "answered":
            notices = self._tree.news(known) if message.purpose != "restored" else ""
            message.sandbox = self._tree.sandbox()
            if notices and message.purpose not in FIRST:
                message.content.append(text(notices))
            heard = set() if message.purpose == "opening" else self._transcript.heard
            unread = await self._inbox.read(heard)
            message.content += [text(self._untold)] if self._untold else []
            message.content += unread.values()
            self._untold = ""
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
                self._turns.report(message, key)
                self._turns.keeper.report(message, key)
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
