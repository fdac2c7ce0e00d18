"""A graph over scripted services, driven as the service of runs drives it."""

from typing import Any

from langgraph.checkpoint.memory import InMemorySaver

from graph.machine.build import build_graph, resume_command
from graph.request.request_rules import RequestRules
from graph.request.run_request import RunRequest
from graph.state import Limits
from tests.standins.services.scripted_services import Script

REQUEST: RunRequest = {"repo_url": "https://github.com/octocat/hello", "prompt": "Say hello twice"}


class Driven:
    """A graph over a script on a thread of its own, and what its nodes said."""

    def __init__(
        self, script: Script, limits: Limits | None = None, rules: RequestRules | None = None
    ) -> None:
        graph = build_graph(script.services(), limits or Limits(), rules or RequestRules())
        self.graph = graph.compile(checkpointer=InMemorySaver())
        self.config: Any = {"configurable": {"thread_id": "run-00000001"}}
        self.events: list[dict[str, Any]] = []
        self.nodes: list[str] = []
        self.state: dict[str, Any] = {}

    async def run(self, given: Any = None) -> dict[str, Any]:
        parts = self.graph.astream(
            given if given is not None else REQUEST,
            self.config,
            stream_mode=["tasks", "custom"],
            version="v2",
            durability="sync",
        )
        async for part in parts:
            data: Any = part["data"]
            if part["type"] == "custom":
                self.events.append(data)
            elif "triggers" in data:
                self.nodes.append(data["name"])
        snapshot = await self.graph.aget_state(self.config)
        self.state = snapshot.values
        return self.state

    def said(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]

    async def resume(self, limits: Limits) -> dict[str, Any]:
        snapshot = await self.graph.aget_state(self.config)
        values: Any = snapshot.values
        return await self.run(resume_command(values, snapshot.next, limits, 2))
