"""A Claude that says the same to the same question, and keeps account of what it was asked."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from demo.script.asking_role import count_replies, find_role, own_messages
from tests.standins.claude import calls
from tests.standins.claude import text as say
from tests.standins.messages_api.scripted_reply import ScriptedReply
from tests.standins.messages_api.server import Answer, Exchange, Request
from tests.support.whole_runs.claude_script import MORNING, approve, done, plan, text_of

TALK = "I look at what there is, and say what I see. " * 60
STEPS = 3
_DONE = re.compile(r"step-(\d)-is-done")
_REQUEST = re.compile(r"<request>\n(.*?)\n</request>", re.DOTALL)
_LOST = "Its tree was made again"


@dataclass(frozen=True)
class Question:
    """One turn of one role of one run."""

    prompt: str
    role: str
    turn: int


@dataclass
class SteadyClaude:
    """Its coder works in steps, and looks at what became of each before the next.

    `begun` are the questions as they came. `asked` has the usage of each answer that was sent to
    its end, by question: more than one where an answer was lost on its way.
    """

    pause_s: float = 0.2
    begun: list[Question] = field(default_factory=list)
    asked: dict[Question, list[dict[str, Any]]] = field(default_factory=dict)

    async def __call__(self, request: Request) -> Answer:
        role = find_role(request)
        assert role
        messages = request["messages"]
        found = _REQUEST.search(text_of(messages[0]["content"]))
        assert found, messages[0]
        turn = count_replies(request)
        question, reply = Question(found[1], role, turn), _reply(role, own_messages(request))
        self.begun.append(question)
        await asyncio.sleep(self.pause_s)
        return _Counted(self, question, reply)

    def of(self, prompt: str) -> dict[Question, list[dict[str, Any]]]:
        return {
            question: sent for question, sent in self.asked.items() if question.prompt == prompt
        }


@dataclass(frozen=True)
class _Counted:
    claude: SteadyClaude
    question: Question
    reply: ScriptedReply

    async def send(self, exchange: Exchange) -> None:
        """In pieces, so that it may be broken off between two."""
        await exchange.begin()
        for event in self.reply.events(exchange):
            await exchange.body(event)
            await asyncio.sleep(self.claude.pause_s / 10)
        await exchange.end()
        tokens = {"output_tokens": self.reply.tokens}
        usage = exchange.usage.model_dump() | tokens
        self.claude.asked.setdefault(self.question, []).append(usage)


def _reply(role: str, messages: list[dict[str, Any]]) -> ScriptedReply:
    if role == "planner":
        reply = plan()
    elif role == "reviewer":
        reply = approve()
    else:
        missing = set(range(1, STEPS + 1)) - set(_steps_done(messages))
        step = _step(min(missing)) if missing else None
        reply = ScriptedReply((say(TALK), *step.content)) if step else done()
    assert isinstance(reply, ScriptedReply)
    return reply


def _steps_done(messages: list[dict[str, Any]]) -> Iterator[int]:
    """The steps that show in results since the tree was made last."""
    told = [text_of(message["content"]) for message in messages if message["role"] == "user"]
    lost = max((n for n, each in enumerate(told) if _LOST in each), default=-1)
    for each in told[lost + 1 :]:
        yield from map(int, _DONE.findall(each))


def _step(number: int) -> ScriptedReply:
    work = MORNING if number == 1 else f"echo {number} >step-{number}.txt"
    command = f"{work}; sleep 0.3; echo step-$(({number}))-is-done"
    return calls(command)
