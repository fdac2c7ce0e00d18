"""Runs of this machine, asked by the rules that a server holds its callers to."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from api.client.local_runs import LocalRuns
from graph import Approval, RunRequest, describe_faults, wire_name
from graph.errors import InvalidRequest

if TYPE_CHECKING:
    from api.http.routes.request_models import RequestModel

_OWN: Final = ("include_uncommitted", "max_cost_usd", "max_tokens", "max_fix_rounds", "timeout_s")
"""What no server is asked, and limits: who runs the command is the operator of those."""


class CheckedRuns(LocalRuns):
    """`Runs` of the data folder. What a server would refuse is refused here, in the same words."""

    async def start(self, request: RunRequest) -> str:
        from api.http.routes.request_models import CodeRequest

        body = {
            wire_name(name): value
            for name, value in request.items()
            if name not in _OWN and value is not None
        }
        if Path(request.get("repo_url") or "").is_absolute():
            del body["repoUrl"]  # a checkout's path
        _check(CodeRequest, body)
        return await super().start(request)

    async def answer_plan(self, run_id: str, answer: Approval) -> None:
        from api.http.routes.request_models import PlanAnswer

        body: dict[str, Any] = {"planId": answer.plan_id, "decision": answer.decision}
        body["feedback"] = answer.feedback
        if answer.plan:
            body["plan"] = answer.plan.model_dump(mode="json", by_alias=True, exclude={"ranges"})
        _check(PlanAnswer, body)
        await super().answer_plan(run_id, answer)

    async def message(self, run_id: str, text: str) -> None:
        from api.http.routes.request_models import MessageRequest

        _check(MessageRequest, {"text": text})
        await super().message(run_id, text)


def _check(model: "type[RequestModel]", body: Mapping[str, Any]) -> None:
    """Raise InvalidRequest where a value does not fit."""
    try:
        model.model_validate(body)
    except ValidationError as error:
        where = error.errors(include_url=False, include_input=False)[0]["loc"]
        field = str(where[0]) if where else ""
        raise InvalidRequest("\n".join(describe_faults(error)), field=field) from None
