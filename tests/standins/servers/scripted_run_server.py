"""A server whose one run plays a script: what follows the start, a plan's answer, a cancel."""

import asyncio
from typing import Any

from tests.standins.servers.one_run_server import Answer, Request, RunsHttp
from tests.standins.servers.run_events import (
    RUN_ID,
    finished,
    node,
    numbered,
    started,
)

Event = dict[str, Any]
PLAN = {"summary": "Print JSON", "route": "full", "steps": ["Parse the flag"]}
WAITING: list[Event] = [
    started(),
    *node("plan", "ok", 8400, [{"type": "plan.ready", "planId": "plan-1", "plan": PLAN}]),
    {"type": "node.started", "node": "approve", "visit": 1},
    {"type": "plan.waiting", "planId": "plan-1", "plan": PLAN},
]


class RunServer(RunsHttp):
    """`on_start`, `on_plan` and `on_cancel` are the events that follow each call."""

    def __init__(
        self,
        on_start: list[Event],
        *,
        on_plan: dict[str, list[Event]] | None = None,
        on_cancel: list[Event] | None = None,
    ) -> None:
        super().__init__(RUN_ID, [])
        self.on_plan = on_plan or {}
        self.on_cancel = on_cancel or []
        self._tasks: set[asyncio.Task[None]] = set()
        run = f"/runs/{RUN_ID}"
        self.handlers |= {
            "POST /code": lambda _: self._after(on_start),
            f"POST {run}/plan": lambda request: self._after(self.on_plan[request.body["decision"]]),
            f"POST {run}/cancel": lambda _: self._after(self.on_cancel),
            f"POST {run}/resume": self._resumed,
        }

    def ended(self, status: str, **fields: Any) -> None:
        """Let the run have ended before anything is asked."""
        self.log[:] = numbered([started(), finished(status, **fields)])

    def _after(self, events: list[Event]) -> Answer:
        self.follow_with(*events)
        return Answer(202, {"runId": RUN_ID, "status": "running"}, {"X-Run-Id": RUN_ID})

    def follow_with(self, *events: Event) -> None:
        """Add events once what is asked now has been answered."""
        task = asyncio.get_running_loop().create_task(self.append(*events))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _resumed(self, _: Request) -> Answer:
        resumed = {"type": "run.resumed", "attempt": 2, "reason": "resumed"}
        self.log += [
            {**event, "seq": len(self.log) + number}
            for number, event in enumerate(numbered([resumed, finished("succeeded")]), 1)
        ]
        return Answer(202, {"runId": RUN_ID, "status": "queued"})
