"""How soon a running server answers: `POST /code` to the first event and to the first request."""

import shutil
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
from pydantic import SecretStr

from benchmarks.script import PROMPT, make_repository
from benchmarks.timed_claude import TimedClaude
from demo.http_service import serve
from tests.standins.github_server.server import ForgeServer
from wiring import create_local_app
from wiring.settings import Settings

_TOKEN = "ghp_" + "b" * 36
_NAME = "bench/greet"
_TRIES = 6


@dataclass(frozen=True)
class HttpStart:
    """Milliseconds, medians over some runs on a server that has served one before."""

    event_ms: float
    model_ms: float


async def measure_http() -> HttpStart:
    """Runs of two turns through a real server, forge and sandbox."""
    root = Path(tempfile.mkdtemp(prefix="coding-agent-bench-", dir="/tmp"))
    root.chmod(0o711)
    try:
        make_repository(root / "repository")
        async with ForgeServer(token=_TOKEN) as forge, TimedClaude(turns=2) as claude:
            await forge.add_repository(_NAME, root / "repository")
            settings = Settings(
                data_dir=root / "data",
                anthropic_api_key=SecretStr("benchmark-key-benchmark"),
                anthropic_base_url=claude.base_url,
                github_token=SecretStr(_TOKEN),
                github_api_url=forge.api_url,
                api_keys=(),
            )
            async with serve(create_local_app(settings)) as address:
                url = f"{forge.address}/{_NAME}"
                tries = [await _one(address, url, claude) for _ in range(_TRIES + 1)][1:]
        events, models = zip(*tries, strict=True)
        return HttpStart(statistics.median(events), statistics.median(models))
    finally:
        shutil.rmtree(root)


async def _one(address: str, repo_url: str, claude: TimedClaude) -> tuple[float, float]:
    claude.turns.clear()
    first_event = 0.0
    async with httpx.AsyncClient(timeout=60) as client:
        begun = time.perf_counter()
        request = {"repoUrl": repo_url, "prompt": PROMPT}
        async with client.stream("POST", f"{address}/code", json=request) as answer:
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                if not first_event and line.startswith("data:"):
                    first_event = time.perf_counter()
    return (first_event - begun) * 1000, (claude.turns[0].received - begun) * 1000
