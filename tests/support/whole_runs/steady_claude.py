"""A Claude that says the same to the same question, and keeps account of what it was asked."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from demo.script.asking_role import count_replies, find_role, own_messages
from tests.standins.claude import calls
from tests.standins.claude import text as say
from tests.standins.messages_api.scripted_reply import ScriptedReply
from tests.standins.messages_api.server import Answer, Exchange, Request
from tests.support.whole_runs.claude_script import (
    BREAK,
    MEND,
    MORNING,
    approve,
    done,
    found,
    plan,
    text_of,
)
from tests.support.whole_runs.hosted_repository import GREETER

ERRING = "and err at first"
"""In a prompt: the coder breaks a test, so that a fixer follows it."""
NEEDY: Final = {**GREETER, "test_greet.py": f"import tiny\n{GREETER['test_greet.py']}"}
"""A repository whose check starts only after a set-up turn."""
TALK = "I look at what there is, and say what I see. " * 60
STEPS = 3
_DONE = re.compile(r"step-(\d)-is-done")
_REQUEST = re.compile(r"<request>\n(.*?)\n</request>", re.DOTALL)
_LOST = re.compile("Its tree was made again|Your tree was made anew")
_MAKE = (
    'site=$(python3 -m site --user-site) && mkdir -p "$site" && echo "ANSWER = 42" >"$site/tiny.py"'
)
_WORK: Final = {
    "coder": MORNING,
    "erring coder": f"{MORNING}; {BREAK}",
    "fixer": MEND,
    "setup": f"{_MAKE} && python3 -m unittest discover",
}


@dataclass(frozen=True)
class Question:
    """One turn of one role of one run."""

    prompt: str
    role: str
    turn: int


@dataclass
class SteadyClaude:
    """Its coder, fixer and set-up role work in steps, and look at what became of each before the
    next.

    `needy` is the prompt of the run whose set-up turn it plays: that turn knows no request.
    `begun` are the questions as they came. `asked` has the usage of each answer that was sent to
    its end, by question: more than one where an answer was lost on its way.
    """

    pause_s: float = 0.2
    needy: str = ""
    begun: list[Question] = field(default_factory=list)
    asked: dict[Question, list[dict[str, Any]]] = field(default_factory=dict)

    async def __call__(self, request: Request) -> Answer:
        role = find_role(request)
        assert role
        messages = request["messages"]
        asked = _REQUEST.search(text_of(messages[0]["content"]))
        prompt = asked[1] if asked else self.needy
        assert prompt, messages[0]
        question = Question(prompt, role, count_replies(request))
        worker = "erring coder" if role == "coder" and ERRING in prompt else role
        reply = _reply(worker, own_messages(request))
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
        if missing:
            step = _step(min(missing), _WORK[role])
            reply = ScriptedReply((say(TALK), *step.content))
        else:
            reply = found(_MAKE) if role == "setup" else done()
    assert isinstance(reply, ScriptedReply)
    return reply


def _steps_done(messages: list[dict[str, Any]]) -> Iterator[int]:
    """The steps that show in results since the tree was made last."""
    told = [text_of(message["content"]) for message in messages if message["role"] == "user"]
    lost = max((n for n, each in enumerate(told) if _LOST.search(each)), default=-1)
    for each in told[lost + 1 :]:
        yield from map(int, _DONE.findall(each))


def _step(number: int, first: str) -> ScriptedReply:
    """`first` is the work of the first step."""
    work = first if number == 1 else f"echo {number} >step-{number}.txt"
    command = f"{work}; sleep 0.3; echo step-$(({number}))-is-done"
    return calls(command)
