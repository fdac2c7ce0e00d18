"""A bare loop to measure against: a LangGraph node, the SDK, a SQLite checkpoint, the same sandbox.

usage: python -m benchmarks.bare_loop BASE_URL REPOSITORY FOLDER [LOOPS]
"""

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

import anthropic
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict

from benchmarks.script import PROMPT
from sandbox.backends.base.backend import BackendOptions, Tree
from sandbox.backends.bubblewrap.backend import Bubblewrap
from sandbox.core.protocol import Limits, Sandbox

_TOOLS: Any = [{"type": "bash_20250124", "name": "bash"}]


class State(TypedDict):
    """The conversation."""

    messages: list[Any]


def _graph(client: anthropic.AsyncAnthropic, sandbox: Sandbox) -> Any:
    async def turn(state: State) -> State:
        async with client.messages.stream(
            model="claude-opus-5-5",
            max_tokens=32000,
            system="You change the repository in /workspace.",
            messages=state["messages"],
            tools=_TOOLS,
            cache_control={"type": "ephemeral"},
        ) as stream:
            message = await stream.get_final_message()
        messages = [*state["messages"], message.to_param()]
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": await _run(block.input)}
            for block in message.content
            if block.type == "tool_use"
        ]
        return {
            "messages": [*messages, {"role": "user", "content": results}] if results else messages
        }

    async def _run(given: Any) -> str:
        return (await sandbox.run(given["command"])).text

    def more(state: State) -> Literal["turn", "__end__"]:
        return "turn" if state["messages"][-1]["role"] == "user" else "__end__"

    graph = StateGraph(State)
    graph.add_node("turn", turn)
    graph.add_edge(START, "turn")
    graph.add_conditional_edges("turn", more)
    return graph


async def _converse(
    client: anthropic.AsyncAnthropic, repository: str, folder: Path, prompt: str
) -> None:
    """Clone, open the sandbox, converse to the end."""
    tree = Path(tempfile.mkdtemp(dir=folder))
    tree.chmod(0o711)
    for name in ("home", "tmp"):
        (tree / name).mkdir(parents=True)
    clone = ("git", "clone", "-q", repository, str(tree / "workspace"))
    await asyncio.to_thread(subprocess.run, clone, check=True)
    backend = Bubblewrap(BackendOptions(limits=Limits(), state=folder / "state"))
    uid = backend.uid_for_run("bare")
    if uid is not None:
        own = ("chown", "-hR", f"{uid}:{uid}", str(tree))
        await asyncio.to_thread(subprocess.run, own, check=True)
    sandbox = backend.attach(Tree(tree, None, uid))
    async with AsyncSqliteSaver.from_conn_string(str(tree / "checkpoint.db")) as saver:
        graph = _graph(client, sandbox).compile(checkpointer=saver)
        config = {"configurable": {"thread_id": "bare"}, "recursion_limit": 1000}
        given = {"messages": [{"role": "user", "content": prompt}]}
        await graph.ainvoke(given, config, durability="sync")


async def main(base_url: str, repository: str, folder: Path, loops: int) -> None:
    """So many conversations at once in this process."""
    folder.chmod(0o711)
    async with anthropic.AsyncAnthropic(api_key="benchmark", base_url=base_url) as client:
        prompts = [f"{PROMPT} ({number})" for number in range(loops)]
        await asyncio.gather(*(_converse(client, repository, folder, each) for each in prompts))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int((*sys.argv, "1")[4])))
