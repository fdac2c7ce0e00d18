"""Runs on this machine, over the service of this process."""

import json
from collections.abc import AsyncIterator
from typing import Any, ClassVar, cast

from api.runs_port import PlanAnswer, RaisedLimits, View
from graph.state import RunRequest
from graph.values import Approval, Status
from runs.records import Caller, RunRecord, rfc3339
from runs.service import RunService


class LocalRuns:
    """`Runs` of the data folder; who may run the command sees them all."""

    driven_here: ClassVar[bool] = True

    def __init__(self, service: RunService) -> None:
        self._service = service
        self._caller = Caller("local", operator=True)

    async def start(self, request: RunRequest) -> str:
        record, _ = await self._service.start(request, owner=self._caller.name)
        return record.run_id

    async def events(self, run_id: str) -> AsyncIterator[dict[str, Any]]:
        await self._service.get(run_id, self._caller)
        async for event in self._service.events(run_id):
            yield json.loads(event.payload)

    async def view(self, run_id: str) -> View:
        return await self._service.view(run_id, self._caller)

    async def list(
        self, *, status: str | None, repo: str | None, limit: int, cursor: str | None = None
    ) -> tuple[list[View], str | None]:
        asked = cast("Status | None", status)
        records, following = await self._service.list(
            self._caller, status=asked, repo=repo, limit=limit, cursor=cursor
        )
        return [_row(record) for record in records], following

    async def diff(self, run_id: str) -> bytes | None:
        return await self._service.diff(run_id, self._caller)

    async def cancel(self, run_id: str) -> None:
        await self._service.cancel(run_id, self._caller)

    async def answer_plan(self, run_id: str, answer: PlanAnswer) -> None:
        approval = Approval.model_validate(
            {
                "decision": answer.decision,
                "plan_id": answer.plan_id,
                "feedback": answer.feedback,
            }
        )
        await self._service.answer_plan(run_id, self._caller, approval)

    async def resume(self, run_id: str, limits: RaisedLimits) -> None:
        await self._service.resume(
            run_id,
            self._caller,
            max_cost_usd=limits.max_cost_usd,
            max_fix_rounds=limits.max_fix_rounds,
            timeout_s=limits.timeout_s,
        )

    async def message(self, run_id: str, text: str) -> None:
        await self._service.message(run_id, self._caller, text)

    async def delete(self, run_id: str) -> None:
        await self._service.delete(run_id, self._caller)


def _row(record: RunRecord) -> View:
    return {
        "runId": record.run_id,
        "status": record.status,
        "node": record.node,
        "repoUrl": record.request["repo_url"],
        "prompt": record.request["prompt"],
        "createdAt": rfc3339(record.created_at),
        "updatedAt": rfc3339(record.updated_at),
    }
