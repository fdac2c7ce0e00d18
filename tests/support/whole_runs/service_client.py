"""The HTTP service as its callers see it: runs that are started, watched and steered."""

import asyncio
import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Self

import httpx
from httpx_sse import EventSource

Event = dict[str, Any]
EXIT_CODES: Final = {
    "succeeded": 0,
    "no_changes": 3,
    "rejected": 3,
    "incomplete": 1,
    "blocked": 1,
    "failed": 1,
    "interrupted": 1,
    "budget_exhausted": 4,
    "timed_out": 4,
    "cancelled": 130,
}


@dataclass
class Run:
    """A run, and its events as they come."""

    http: httpx.AsyncClient
    run_id: str
    prompt: str
    events: list[Event] = field(default_factory=list)
    cut_after: int | None = None
    """The last event before the server itself ended the stream early."""
    _grown: asyncio.Event = field(default_factory=asyncio.Event)
    _reading: "asyncio.Task[None] | None" = None

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.events if event["type"] == kind]

    def one(self, kind: str) -> Event:
        (event,) = self.of(kind)
        return event

    @property
    def nodes(self) -> list[tuple[str, str]]:
        """Every node that was left, and how."""
        return [(event["node"], event["outcome"]) for event in self.of("node.finished")]

    @property
    def end(self) -> Event:
        return self.events[-1]

    @property
    def error(self) -> str | None:
        """The code of the error that ended the run."""
        error = self.end.get("error")
        return error["code"] if error else None

    async def until(self, kind: str, count: int = 1, **fields: Any) -> Event:
        """The `count`-th event of a type with these fields, once it has come."""
        async with asyncio.timeout(60):
            while True:
                found = [event for event in self.of(kind) if fields.items() <= event.items()]
                if len(found) >= count:
                    return found[count - 1]
                self._grown.clear()
                await self._grown.wait()

    async def ended(self) -> Self:
        """The end of the stream."""
        assert self._reading
        await self._reading
        return self

    async def leave(self) -> None:
        """Stop reading; the run goes on."""
        assert self._reading
        self._reading.cancel()
        await asyncio.wait((self._reading,))

    async def call(self, method: str, path: str = "", **body: Any) -> httpx.Response:
        """Ask for something below `/runs/{id}`."""
        given: dict[str, Any] = {"json": body} if method == "POST" else {}
        return await self.http.request(method, f"/runs/{self.run_id}{path}", **given)

    async def view(self) -> dict[str, Any]:
        answer = await self.call("GET")
        assert answer.status_code == 200, answer.text
        view: dict[str, Any] = answer.json()
        return view

    async def diff(self) -> bytes:
        """Empty where there is none."""
        answer = await self.call("GET", "/diff")
        assert answer.status_code in (200, 204), answer.text
        return answer.content

    async def resume(self, **limits: Any) -> "Run":
        """Carry it on, and read on to its next end."""
        answer = await self.call("POST", "/resume", **limits)
        assert answer.status_code == 202, answer.text
        return await self.watch().ended()

    def watch(self) -> Self:
        """Read on after what was read."""
        self._reading = asyncio.create_task(self._read_on())
        return self

    def read(self, answer: httpx.Response) -> Self:
        self._reading = asyncio.create_task(self._read(answer))
        return self

    async def _read(self, answer: httpx.Response) -> None:
        if await self._is_cut(answer):
            await self._read_on()

    async def _read_on(self) -> None:
        while await self._is_cut(await self._open()):
            pass

    async def _open(self) -> httpx.Response:
        after = self.events[-1]["seq"] if self.events else 0
        headers = {"Last-Event-ID": str(after)}
        request = self.http.build_request("GET", f"/runs/{self.run_id}/events", headers=headers)
        return await self.http.send(request, stream=True)

    async def _is_cut(self, answer: httpx.Response) -> bool:
        """Read a stream; whether the server itself ended it early."""
        try:
            async for sent in EventSource(answer).aiter_sse():
                if sent.event == "stream.end":
                    self.cut_after = json.loads(sent.data)["after"]
                    return True
                if not sent.id or not sent.data:  # a comment that keeps an idle stream alive
                    continue
                event = json.loads(sent.data)
                assert (str(event["seq"]), event["type"]) == (sent.id, sent.event)
                self.events.append(event)
                self._grown.set()
        finally:
            await answer.aclose()
        return False


@dataclass(frozen=True)
class Service:
    """One service that is open."""

    http: httpx.AsyncClient

    @classmethod
    @asynccontextmanager
    async def at(cls, address: str) -> AsyncIterator[Self]:
        async with httpx.AsyncClient(base_url=address, timeout=60, trust_env=False) as http:
            yield cls(http)

    async def start(self, prompt: str, url: str, **fields: Any) -> Run:
        """POST /code, and read what it streams."""
        body = {"repoUrl": url, "prompt": prompt, **fields}
        request = self.http.build_request("POST", "/code", json=body)
        answer = await self.http.send(request, stream=True)
        if answer.status_code != 200:
            raise AssertionError(f"{answer.status_code}: {(await answer.aread()).decode()}")
        return Run(self.http, answer.headers["X-Run-Id"], prompt).read(answer)

    def find(self, run: Run) -> Run:
        """A run that another service began, with what was read of it."""
        return Run(self.http, run.run_id, run.prompt, list(run.events))


def check_log(run: Run) -> None:
    """What holds for every log whose stream has ended."""
    assert [event["seq"] for event in run.events] == list(range(1, len(run.events) + 1))
    assert {event["runId"] for event in run.events} == {run.run_id}
    assert run.events[0]["type"] == "run.started"
    assert run.end["type"] == "run.finished"
    attempts = [event["attempt"] for event in run.of("run.finished")]
    assert attempts == list(range(1, len(attempts) + 1))
    begun = [(event["node"], event["visit"]) for event in run.of("node.started")]
    left = [(event["node"], event["visit"]) for event in run.of("node.finished")]
    assert begun == left
    calls = [event["callId"] for event in run.of("tool.started")]
    assert len(set(calls)) == len(calls)
    cost = sum(usage["costUsd"] for usage in run.of("usage"))
    assert math.isclose(run.end["costUsd"], cost, abs_tol=1e-9)
