"""The stand-in for Claude with a meter: what each request read, wrote and cost."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from graph import Usage
from roles.claude.prices import cost_usd
from tests.standins.messages_api.scripted_reply import ScriptedReply
from tests.standins.messages_api.server import Answer, Exchange, MessagesServer

MODEL: Final = "claude-opus-5-5"
Reply = Callable[[dict[str, Any]], ScriptedReply]


@dataclass(frozen=True)
class Asked:
    """One request and its reply."""

    role: str
    usage: Usage
    cost_usd: float


@dataclass(frozen=True)
class _Counted:
    reply: ScriptedReply
    role: str
    asked: list[Asked]

    async def send(self, exchange: Exchange) -> None:
        usage = exchange.usage + Usage(output_tokens=self.reply.tokens)
        cost = cost_usd(MODEL, usage)
        assert cost is not None
        self.asked.append(Asked(self.role, usage, cost))
        await self.reply.send(exchange)


class CountingClaude(MessagesServer):
    """Answers at once, by a scripted model; `role_of` says who asks."""

    def __init__(self, reply: Reply, role_of: Callable[[dict[str, Any]], str | None]) -> None:
        super().__init__(self._count)
        self._reply_to = reply
        self._role_of = role_of
        self.asked: list[Asked] = []

    async def _count(self, request: dict[str, Any]) -> Answer:
        reply = self._reply_to(request)
        role = self._role_of(request) or "loop"
        return self._counted(reply, role)

    def _counted(self, reply: ScriptedReply, role: str) -> Answer:
        return _Counted(reply, role, self.asked)
