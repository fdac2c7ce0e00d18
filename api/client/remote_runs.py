"""Runs on a server, over its HTTP interface."""

import json
import sys
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Final, Self
from urllib.parse import quote

import httpx
from httpx_sse import ServerSentEvent
from pydantic.alias_generators import to_camel

from api.client.event_stream import read_stream, wait_to_reconnect
from api.client.http_answers import (
    CHECK_ADDRESS,
    json_of,
    map_http_errors,
    problem_of,
)
from api.client.remote_feed import RemoteFeed
from api.client.runs_protocol import View
from api.client.server_error import ServerError
from graph import Approval, RetryPolicy, RunRequest, name_variables, retry, wire_name
from runs.model import RaisedLimits

_READ_TIMEOUT_S: Final = 45.0
"""Three times the pause between a stream's signs of life."""
_RETRY_POLICY: Final = RetryPolicy(attempts=sys.maxsize, first_s=0.5, longest_s=30, total_s=600)
"""Of streams that broke."""
_START_ATTEMPTS: Final = 4


class RemoteRuns:
    """`Runs` over HTTP. A stream that breaks is taken up again where it broke."""

    driven_here: ClassVar[bool] = False

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        notice: Callable[[str], None] = lambda _: None,
        retry_policy: RetryPolicy = _RETRY_POLICY,
    ) -> None:
        self._client = client
        self._notice = notice
        self._retry_policy = retry_policy
        self._reached = False

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        server: str,
        api_key: str | None,
        *,
        version: str,
        notice: Callable[[str], None] = lambda _: None,
        retry_policy: RetryPolicy = _RETRY_POLICY,
        read_timeout_s: float = _READ_TIMEOUT_S,
    ) -> AsyncIterator[Self]:
        headers = {"User-Agent": f"coding-agent/{version}"}
        if api_key:
            headers["Authorization"] = f"Bearer {api_key}"
        timeout = httpx.Timeout(read_timeout_s, connect=10.0)
        unusable = partial(ServerError, "unusable_environment")
        with name_variables(unusable, httpx.InvalidURL):
            made = httpx.AsyncClient(
                base_url=server, headers=headers, timeout=timeout, follow_redirects=False
            )
        async with made as client:
            yield cls(client, notice=notice, retry_policy=retry_policy)

    async def start(self, request: RunRequest) -> str:
        """Start the run and leave at once: its events are read like anybody's.

        The key makes a repeated start join the run whose answer was lost.
        """
        headers = {"Prefer": "respond-async", "Idempotency-Key": str(uuid.uuid4())}
        body = {wire_name(name): value for name, value in request.items() if value is not None}
        answer = await retry(
            partial(self._call, "POST", "/code", json=body, headers=headers),
            replace(self._retry_policy, attempts=_START_ATTEMPTS),
            on=ServerError,
            asked_s=lambda error: error.retry_after_s,
            when=lambda error: error.passing and error.code != "server_unreachable",
        )
        run_id = answer.headers.get("X-Run-Id") or _object(answer).get("runId")
        if not isinstance(run_id, str):
            raise _unexpected_answer(answer)
        return run_id

    async def events(self, run_id: str) -> AsyncGenerator[dict[str, Any], None]:
        """Every event once, in order, over as many connections as it takes."""
        after, ended, asked_again, pauses = 0, False, False, self._retry_policy.pauses()
        while True:
            cause = None
            try:
                async with aclosing(self._connection(run_id, after)) as connection:
                    async for event in connection:
                        if event["seq"] > after:
                            after, ended = event["seq"], event["type"] == "run.finished"
                            asked_again = False
                            pauses.reset()
                            yield event
            except ServerError as error:
                if not error.passing or not self._reached:
                    raise
                cause = error
            if ended and (cause is None or asked_again):
                return
            asked_again = ended
            broken = ServerError("stream_cut", "the stream broke")
            await wait_to_reconnect(pauses, cause or broken, self._notice)

    async def view(self, run_id: str) -> View:
        return _object(await self._call("GET", _path(run_id)))

    async def list(
        self, *, status: str | None, repo: str | None, limit: int, cursor: str | None = None
    ) -> tuple[list[View], str | None]:
        asked = {"status": status, "repo": repo, "limit": limit, "cursor": cursor}
        query = {name: value for name, value in asked.items() if value is not None}
        answer = await self._call("GET", "/runs", params=query)
        page = _object(answer)
        runs, following = page.get("runs"), page.get("nextCursor")
        if not isinstance(runs, list):
            raise _unexpected_answer(answer)
        return runs, following if isinstance(following, str) else None

    async def changes(
        self, opened: Callable[[], Awaitable[None]], notice: Callable[[str], None]
    ) -> AsyncGenerator[View, None]:
        """Rows of runs as they change, over as many connections as it takes."""
        feed = RemoteFeed(self._client, self._retry_policy.pauses(), notice)
        async with aclosing(feed.follow(opened)) as rows:
            async for row in rows:
                yield row

    async def diff(self, run_id: str) -> bytes | None:
        answer = await self._call("GET", _path(run_id, "/diff"))
        return None if answer.status_code == 204 else answer.content

    async def cancel(self, run_id: str) -> None:
        await self._call("POST", _path(run_id, "/cancel"))

    async def answer_plan(self, run_id: str, answer: Approval) -> None:
        body: dict[str, Any] = {"planId": answer.plan_id, "decision": answer.decision}
        if answer.feedback:
            body["feedback"] = answer.feedback
        if answer.plan:
            body["plan"] = answer.plan.model_dump(mode="json", by_alias=True, exclude={"ranges"})
        await self._call("POST", _path(run_id, "/plan"), json=body)

    async def resume(self, run_id: str, limits: RaisedLimits) -> None:
        body = {to_camel(name): value for name, value in limits.given().items()}
        await self._call("POST", _path(run_id, "/resume"), json=body)

    async def message(self, run_id: str, text: str) -> None:
        await self._call("POST", _path(run_id, "/messages"), json={"text": text})

    async def delete(self, run_id: str) -> None:
        await self._call("DELETE", _path(run_id))

    async def _call(self, method: str, path: str, **options: Any) -> httpx.Response:
        with map_http_errors(self._client):
            answer = await self._client.request(method, path, **options)
        if not answer.is_success:
            raise problem_of(answer)
        self._reached = True
        return answer

    async def _connection(self, run_id: str, after: int) -> AsyncGenerator[dict[str, Any], None]:
        """The events after `after` until the server ends the stream or the connection breaks."""
        last_id = str(after) if after else ""
        path = _path(run_id, "/events")
        async with aclosing(read_stream(self._client, path, last_id)) as stream:
            async for sent in stream:
                self._reached = True
                if sent is not None and (event := _payload(sent)) is not None:
                    yield event


def _payload(sent: ServerSentEvent) -> dict[str, Any] | None:
    """The event in a stream's item; None for signs of life and what is no event of a run."""
    try:
        data = json.loads(sent.data) if sent.data else None
    except ValueError:
        return None
    if not isinstance(data, dict) or not isinstance(data.get("type"), str):
        return None
    return data if type(data.get("seq")) is int else None


def _object(answer: httpx.Response) -> dict[str, Any]:
    value = json_of(answer)
    if not value:
        raise _unexpected_answer(answer)
    return value


def _unexpected_answer(answer: httpx.Response) -> ServerError:
    return ServerError(
        "unexpected_answer",
        f"{answer.request.url} answered something else than a coding-agent server would.",
        CHECK_ADDRESS,
        status=answer.status_code,
    )


def _path(run_id: str, rest: str = "") -> str:
    return f"/runs/{quote(run_id, safe='')}{rest}"
