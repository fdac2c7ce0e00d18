"""What a one-line change costs beside the coder's own work, over the whole graph.

The stand-in answers at once only where a role is told what it would else have to look up.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from demo.script.asking_role import count_replies, find_role, own_messages, text_of
from graph import RetryPolicy
from graph.events import Emit
from graph.files import load_change
from graph.files.run_folder import RunFolder
from graph.machine.build import build_graph
from graph.pictures import PicturePlace, RequestPicture
from graph.values import (
    Base,
    Change,
    ChangedFile,
    ChangeRef,
    CommandReport,
    Finding,
    RoleName,
    Validation,
)
from roles.claude.client import Claude
from roles.claude.provider import AnthropicProvider
from roles.coder import ClaudeCoder
from roles.planner import ClaudePlanner
from roles.reviewer import ClaudeReviewer
from tests.standins.claude import ScriptedReply, answer, calls
from tests.standins.directory_sandbox import make_run
from tests.standins.messages_api.server import Answer, MessagesServer, Request
from tests.standins.services.scripted_services import Script
from tests.support.roles.four_roles import APPROVED, CODED, Cast
from tests.support.roles.role_bench import KEY, RUN

FILES = {
    "greet.py": 'def greet(name):\n    return f"Hello, {name}!"\n',
    "README.md": "# Greet\n",
    "AGENTS.md": "Greet politely.\n",
}
PROMPT = 'Say "Good morning" instead of "Hello" in greet.py.'
PLAN = {
    "summary": "Greets in the morning.",
    "route": "short",
    "steps": ["Change the text in greet.py"],
    "files": ["greet.py"],
    "validate": [],
}
ENOUGH: dict[RoleName, tuple[str, ...]] = {
    "planner": ("greet.py:2:", "Greet politely.", "make test"),
    "reviewer": (
        '+    return f"Good morning, {name}!"',
        "light review",
        "- `make test`: passed",
        "Greet politely.",
    ),
}
TESTED = CommandReport(command="make test", exit_code=0, status="passed", duration_ms=9)
EDIT = "sed -i 's/Hello/Good morning/' greet.py"


class Reader:
    """A Claude that looks around unless it was told enough; remembers who asked."""

    def __init__(self) -> None:
        self.asked: list[RoleName] = []
        self.ends_beside = False
        """Whether its coder ends in the reply that edits."""

    async def __call__(self, request: Request) -> Answer:
        role = find_role(request)
        assert role
        self.asked.append(role)
        told = text_of(own_messages(request)[0]["content"])
        if role == "coder":
            if self.ends_beside:
                return ScriptedReply((*calls(EDIT).content, *answer(**CODED).content))
            return answer(**CODED) if count_replies(request) else calls(EDIT)
        enough = ENOUGH[role]
        if not all(words in told for words in enough):
            return calls("cat greet.py AGENTS.md; git diff HEAD")
        return answer(**(PLAN if role == "planner" else APPROVED))


class Repositories:
    """The trusted side as far as this run needs it: a diff for the reviewer."""

    def __init__(self, runs: Path, base: Base) -> None:
        self._runs, self._base = runs, base

    async def prepare(
        self,
        run_id: str,
        repo_url: str,
        branch: str | None,
        emit: Emit,
        *,
        include_uncommitted: bool = False,
    ) -> Base:
        return self._base

    async def prepare_pull(self, run_id: str, url: str, emit: Emit) -> Base:
        return self._base

    async def read_pull(self, run_id: str, base: Base) -> tuple[Base, Change]:
        raise NotImplementedError

    async def keep_pictures(
        self, run_id: str, base: Base, issue: int, places: Sequence[PicturePlace]
    ) -> tuple[RequestPicture, ...]:
        raise NotImplementedError

    async def merge_pull(self, run_id: str, base: Base) -> tuple[Base, Change, tuple[Finding, ...]]:
        raise NotImplementedError

    async def read_change(self, run_id: str, base: Base, ref: ChangeRef) -> Change:
        diff = RunFolder.of(self._runs, run_id).diff(ref.step)
        diff.parent.mkdir(exist_ok=True)
        diff.write_bytes(load_change(RunFolder.of(self._runs, run_id), ref))
        return Change(
            ref=ref, tree="new", files=(ChangedFile(path="greet.py", added=1, removed=1),)
        )


@asynccontextmanager
async def played(
    runs: Path, retry_policy: RetryPolicy
) -> AsyncIterator[tuple[MessagesServer, Reader, Any]]:
    """The graph with real roles, the rest of it by script."""
    base, reader = make_run(runs, RUN, FILES), Reader()
    async with MessagesServer(reader, key=KEY) as server:
        claude = Claude(AnthropicProvider(api_key=SecretStr(KEY), base_url=server.base_url))
        cast = Cast(runs, retry_policy)
        services = replace(
            Script(validations=[Validation(status="passed", commands=(TESTED,))]).services(),
            planner=cast.play(ClaudePlanner, claude),
            coder=cast.play(ClaudeCoder, claude),
            reviewer=cast.play(ClaudeReviewer, claude),
            repositories=Repositories(runs, base),
        )
        try:
            yield server, reader, build_graph(services).compile()
        finally:
            await claude.close()


async def test_one_line_costs_one_plan_and_one_light_review(
    runs: Path, retry_policy: RetryPolicy
) -> None:
    spent: dict[str, list[int]] = {"planner": [], "coder": [], "reviewer": []}
    async with played(runs, retry_policy) as (server, reader, graph):
        request = {"repo_url": "https://github.com/octocat/hello", "prompt": PROMPT}
        config = {"configurable": {"thread_id": RUN}}
        state: dict[str, Any] = {}
        async for mode, event in graph.astream(request, config, stream_mode=["custom", "values"]):
            if mode == "values":
                state = event
            elif event["type"] == "usage":
                names = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
                spent[event["role"]].append(sum(event[name] for name in names))
    assert state["outcome"].status == "succeeded", state["failure"]
    assert reader.asked == ["planner", "coder", "coder", "reviewer"]
    assert server.requests[-1]["output_config"]["effort"] == "low"
    assert state["spent"].turns == 4
    assert sum(spent["planner"]) + sum(spent["reviewer"]) < 2_000


async def test_one_line_whose_edit_ends_the_step_costs_three_requests(
    runs: Path, retry_policy: RetryPolicy
) -> None:
    async with played(runs, retry_policy) as (_, reader, graph):
        reader.ends_beside = True
        request = {"repo_url": "https://github.com/octocat/hello", "prompt": PROMPT}
        state = await graph.ainvoke(request, {"configurable": {"thread_id": RUN}})
    assert state["outcome"].status == "succeeded", state["failure"]
    assert reader.asked == ["planner", "coder", "reviewer"]
