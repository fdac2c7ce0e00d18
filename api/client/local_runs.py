"""Runs on this machine, over the service of this process."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, ClassVar, Final, cast

from api.client.runs_protocol import REMOVED, View
from graph import Approval, RunRequest, Status
from graph.errors import RunAbandoned, StoreError
from runs import FeedItem, RemovedRow, RunService
from runs.model import Caller, LoggedEvent, RaisedLimits

_PATIENCE_S: Final = 2.0


class LocalRuns:
    """`Runs` of the data folder; who may run the command sees them all.

    A silent run is looked after every `patience_s`: what nobody drives would be silent for ever.
    `check_address` raises RequestError where an address is none that is served.
    """

    driven_here: ClassVar[bool] = True

    def __init__(
        self,
        service: RunService,
        *,
        patience_s: float = _PATIENCE_S,
        check_address: Callable[[str], object] = str,
    ) -> None:
        self._service = service
        self._patience_s = patience_s
        self._check_address = check_address
        self._caller = Caller("local", operator=True)

    async def start(self, request: RunRequest) -> str:
        address = request.get("repo_url")
        if address and not Path(address).is_absolute():
            self._check_address(address)
        asked = await self._service.follow(request, self._caller)
        record, _ = await self._service.start(asked, owner=self._caller.name)
        return record.run_id

    async def events(self, run_id: str) -> AsyncGenerator[dict[str, Any], None]:
        await self._service.get(run_id, self._caller)
        async with aclosing(self._service.events(run_id)) as events:
            while event := await self._next(run_id, events):
                yield json.loads(event.payload)

    async def _next(
        self, run_id: str, events: AsyncGenerator[LoggedEvent, None]
    ) -> LoggedEvent | None:
        """The next event, None at the end. Raises RunAbandoned where none would ever come."""
        upcoming = asyncio.ensure_future(anext(events, None))
        missed = 0
        try:
            while not (await asyncio.wait((upcoming,), timeout=self._patience_s))[0]:
                missed = missed + 1 if await self._is_abandoned(run_id) else 0
                if missed > 1:  # at the first look a server may just be starting again
                    raise RunAbandoned(
                        f"Run {run_id} has not ended, and no process drives it.",
                        f"Carry it on here: coding-agent resume {run_id}\n"
                        "or start a server, which picks it up: coding-agent serve",
                    )
            return upcoming.result()
        finally:
            if not upcoming.done():
                upcoming.cancel()
                await asyncio.wait((upcoming,))

    async def _is_abandoned(self, run_id: str) -> bool:
        """A store that does not answer now says nothing of that."""
        try:
            return run_id in await self._service.abandoned()
        except StoreError:
            return False

    async def view(self, run_id: str) -> View:
        view = await self._service.view(run_id, self._caller)
        return {**view, "abandoned": run_id in await self._service.abandoned()}

    async def list(
        self, *, status: str | None, repo: str | None, limit: int, cursor: str | None = None
    ) -> tuple[list[View], str | None]:
        asked = cast("Status | None", status)
        records, following = await self._service.list(
            self._caller, status=asked, repo=repo, limit=limit, cursor=cursor
        )
        abandoned = await self._service.abandoned()
        return [
            {**record.row(), "abandoned": record.run_id in abandoned} for record in records
        ], following

    async def changes(
        self,
        opened: Callable[[], Awaitable[None]],
        notice: Callable[[str], None],  # noqa: ARG002  # a store of this machine is not lost
    ) -> AsyncGenerator[View, None]:
        """Rows of runs as they change, by whatever process drives them."""
        async with aclosing(self._service.changes(self._caller)) as items:
            upcoming = asyncio.ensure_future(anext(items, None))
            await asyncio.sleep(0)  # it listens from here on
            try:
                await opened()
                while item := await upcoming:
                    yield await self._row(item)
                    upcoming = asyncio.ensure_future(anext(items, None))
            finally:
                upcoming.cancel()
                await asyncio.wait((upcoming,))

    async def _row(self, item: FeedItem) -> View:
        if isinstance(item, RemovedRow):
            return {"runId": item.run_id, "status": REMOVED}
        return {**item.row(), "abandoned": item.run_id in await self._service.abandoned()}

    async def diff(self, run_id: str) -> bytes | None:
        return await self._service.diff(run_id, self._caller)

    async def cancel(self, run_id: str) -> None:
        await self._service.cancel(run_id, self._caller)

    async def answer_plan(self, run_id: str, answer: Approval) -> None:
        await self._service.answer_plan(run_id, self._caller, answer)

    async def resume(self, run_id: str, limits: RaisedLimits) -> None:
        await self._service.resume(run_id, self._caller, limits)

    async def message(self, run_id: str, text: str) -> None:
        await self._service.message(run_id, self._caller, text)

    async def delete(self, run_id: str) -> None:
        await self._service.delete(run_id, self._caller)
