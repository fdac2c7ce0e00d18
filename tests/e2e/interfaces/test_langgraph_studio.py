"""The real `langgraph dev` server, driven as LangGraph Studio drives it."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

from benchmarks.script import make_repository, reply, role_of
from demo.script.asking_role import count_replies, submit
from demo.script.reply_stream import tool_use
from graph.request.run_request import RunRequest
from tests.standins.messages_api.scripted_reply import ScriptedReply
from tests.standins.messages_api.server import Answer, MessagesServer
from tests.support.command.command_process import command

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
NODES = ["prepare", "plan", "approve", "code", "validate", "review", "fix", "publish"]


async def _reply(request: dict[str, Any]) -> Answer:
    """Edits by both tools, so that every way into the sandbox is gone."""
    done = count_replies(request)
    if role_of(request) == "coder" and done == 0:
        bash = tool_use("bash", {"command": "echo hello > notes.txt && ls"})
        created = {"command": "create", "path": "made.txt", "file_text": "made\n"}
        return ScriptedReply((bash, tool_use("str_replace_based_edit_tool", created)))
    if role_of(request) == "coder":
        return ScriptedReply((submit(title="Leave notes", summary="Two files."),))
    return reply(request, turns=1)


@pytest_asyncio.fixture
async def studio(data_dir: Path) -> AsyncIterator[LangGraphClient]:
    """A client of a `langgraph dev` server over this checkout."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    async with MessagesServer(_reply) as claude:
        settings = {
            "ANTHROPIC_API_KEY": "studio-key-studio-key-studio",
            "ANTHROPIC_BASE_URL": claude.base_url,
            "CODING_AGENT_DATA_DIR": data_dir / "data",
        }
        env_file = data_dir / ".config" / "coding-agent" / "env"
        env_file.parent.mkdir(parents=True)
        env_file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(data_dir),
            "LANGGRAPH_DISABLE_FILE_PERSISTENCE": "true",
            "LANGSMITH_TRACING": "false",
        }
        program = str(Path(sys.executable).with_name("langgraph"))
        options = ["--no-browser", "--no-reload", "--port", str(port), "--config"]
        with (data_dir / "log").open("wb") as log:
            server = await asyncio.create_subprocess_exec(
                *[program, "dev", *options, str(ROOT / "langgraph.json")],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            await _ready(f"http://127.0.0.1:{port}/ok", server, data_dir / "log")
            async with get_client(url=f"http://127.0.0.1:{port}") as client:
                yield client
        finally:
            if server.returncode is None:
                server.terminate()
            await server.wait()


async def _ready(url: str, server: asyncio.subprocess.Process, log: Path) -> None:
    async with httpx.AsyncClient() as client:
        async with asyncio.timeout(60):
            while True:
                assert server.returncode is None, log.read_text()
                try:
                    if (await client.get(url)).status_code == 200:
                        return
                except httpx.TransportError:
                    await asyncio.sleep(0.1)


@pytest.mark.sandbox
async def test_the_graph_in_studio(studio: LangGraphClient, data_dir: Path) -> None:
    repository = data_dir / "repository"
    make_repository(repository)
    assistant = (await studio.assistants.search())[0]
    assert assistant["graph_id"] == "coding_agent"
    drawn = await studio.assistants.get_graph(assistant["assistant_id"])
    nodes: Any = drawn["nodes"]
    assert [node["id"] for node in nodes if not node["id"].startswith("__")] == NODES
    schemas = await studio.assistants.get_schemas(assistant["assistant_id"])
    given: Any = schemas["input_schema"]
    assert set(given["properties"]) == set(RunRequest.__annotations__)
    assert set(given["required"]) == {"repo_url", "prompt"}

    thread = await studio.threads.create()
    request = {"repo_url": str(repository), "prompt": "Leave notes", "approve_plan": True}
    first = [part async for part in _stream(studio, thread["thread_id"], input=request)]
    state = await studio.threads.get_state(thread["thread_id"])
    before: Any = state["values"]
    assert "plan.ready" in _types(first), before.get("failure")
    assert state["next"] == ["approve"]
    listed = await command("runs", "--json", home=data_dir)
    (run,) = json.loads(listed.out)["runs"]
    assert (run["runId"], run["status"]) == (thread["thread_id"], "waiting")

    answer = {"decision": "approve"}
    rest = [part async for part in _stream(studio, thread["thread_id"], command={"resume": answer})]
    types = _types(rest)
    state = await studio.threads.get_state(thread["thread_id"])
    values: Any = state["values"]
    assert values["outcome"]["status"] == "succeeded", values.get("failure")
    assert [kind for kind in types if kind in ("change.updated", "review.finished", "pr.created")]
    branches = await asyncio.to_thread(
        subprocess.run,
        ["git", "branch", "--list", "agent/*"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "agent/leave-notes-" in branches.stdout
    shown = await command("show", "--json", thread["thread_id"], home=data_dir)
    view = json.loads(shown.out)
    assert (view["status"], view["pr"]["draft"]) == ("succeeded", False)
    removed = await command("rm", thread["thread_id"], home=data_dir)
    assert removed.code == 0, removed.err
    assert not (data_dir / "data" / "runs" / thread["thread_id"]).exists()


async def _stream(studio: LangGraphClient, thread_id: str, **given: Any) -> AsyncIterator[Any]:
    async for part in studio.runs.stream(
        thread_id, "coding_agent", stream_mode=["tasks", "custom"], **given
    ):
        yield part


def _types(parts: list[Any]) -> list[str]:
    return [part.data["type"] for part in parts if part.event == "custom"]
