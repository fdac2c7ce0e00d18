"""A plain loop to measure against: the SDK, a list of messages, bubblewrap with five options.

It keeps nothing, limits nothing and filters nothing: the least that a sandboxed agent can cost.

usage: python -m benchmarks.peers.plain_loop BASE_URL REPOSITORY
"""

import subprocess
import sys
from typing import Any

import anthropic

from benchmarks.script import PROMPT

_TOOLS: Any = [{"type": "bash_20250124", "name": "bash"}]


def main(base_url: str, repository: str) -> None:
    client = anthropic.Anthropic(api_key="benchmark", base_url=base_url)
    messages: list[Any] = [{"role": "user", "content": PROMPT}]
    while messages[-1]["role"] == "user":
        with client.messages.stream(
            model="claude-opus-5-5",
            max_tokens=32000,
            system="You change the repository you are in.",
            messages=messages,
            tools=_TOOLS,
            cache_control={"type": "ephemeral"},
        ) as stream:
            message = stream.get_final_message()
        messages.append(message.to_param())
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": _run(repository, block)}
            for block in message.content
            if block.type == "tool_use"
        ]
        if results:
            messages.append({"role": "user", "content": results})


def _run(repository: str, block: Any) -> str:
    sandbox = (
        *("bwrap", "--ro-bind", "/", "/", "--bind", repository, repository),
        *("--dev", "/dev", "--unshare-all", "--die-with-parent", "--chdir", repository),
    )
    line = [*sandbox, "/bin/bash", "-c", block.input["command"]]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr) or f"exit code {done.returncode}"


if __name__ == "__main__":
    main(*sys.argv[1:])
