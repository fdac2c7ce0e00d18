"""deepagents as its documents set it up: a local shell, a checkpointer in SQLite.

Run by the Python of its own environment, so nothing of this project is imported.

usage: python deepagents_loop.py BASE_URL REPOSITORY FOLDER PROMPT [LOOPS]
"""

# mypy: ignore-errors

import asyncio
import shutil
import sys
from pathlib import Path
from uuid import uuid4

from deepagents import create_deep_agent
from deepagents.backends import LocalShellBackend
from langchain_anthropic import ChatAnthropic
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver


async def converse(base_url: str, repository: Path, saver: AsyncSqliteSaver, prompt: str) -> None:
    model = ChatAnthropic(
        model="claude-opus-5-5", max_tokens=32000, api_key="benchmark", base_url=base_url
    )
    backend = LocalShellBackend(root_dir=str(repository), inherit_env=True)
    agent = create_deep_agent(model=model, backend=backend, checkpointer=saver)
    given = {"messages": [{"role": "user", "content": prompt}]}
    config = {"configurable": {"thread_id": uuid4().hex}, "recursion_limit": 1000}
    async for _ in agent.astream(given, config, durability="sync"):
        pass


async def main(base_url: str, repository: str, folder: str, prompt: str, loops: str = "1") -> None:
    copies = [Path(folder) / f"loop-{number}" for number in range(int(loops))]
    for copy in copies:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(repository, copy)
    async with AsyncSqliteSaver.from_conn_string(str(Path(folder) / "checkpoints.db")) as saver:
        await asyncio.gather(
            *(
                converse(base_url, copy, saver, f"{prompt} ({number})")
                for number, copy in enumerate(copies)
            )
        )


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
