"""Fixtures of the tests of roles."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from graph import RetryPolicy
from graph.files.run_folder import RunFolder
from graph.tasks import RoleTask
from graph.values import Base
from roles.claude.client import Claude
from roles.claude.provider import AnthropicProvider
from sandbox.tree.run_folder import make_run_folder
from tests.standins.claude import Script
from tests.standins.directory_sandbox import DirectorySandbox
from tests.standins.messages_api.server import Answer, MessagesServer
from tests.support.roles.four_roles import Cast
from tests.support.roles.role_bench import (
    FILES,
    KEY,
    RUN,
    Bench,
    Ears,
    Serve,
    make_task,
)


@pytest.fixture
def ears() -> Ears:
    return Ears()


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


@pytest.fixture
def base(runs: Path) -> Base:
    """A base without objects, for tests in which no tree is made of it."""
    make_run_folder(runs, RUN)
    return Base(
        address="http://127.0.0.1/o/r", full_name="o/r", branch="main", sha="0" * 40, tree=""
    )


@pytest.fixture
def retry_policy() -> RetryPolicy:
    return RetryPolicy(attempts=4, first_s=0.01, longest_s=0.02)


@pytest.fixture
def serve() -> Serve:
    """A server with a script, and a Claude that speaks to it."""

    @asynccontextmanager
    async def serving(
        *answers: Answer, **options: Any
    ) -> AsyncIterator[tuple[MessagesServer, Claude]]:
        server_options = {
            name: options.pop(name) for name in ("betas", "clock", "warms") if name in options
        }
        async with MessagesServer(Script(*answers), key=KEY, **server_options) as server:
            provider = AnthropicProvider(api_key=SecretStr(KEY), base_url=server.base_url)
            claude = Claude(**({"provider": provider} | options))
            try:
                yield server, claude
            finally:
                await claude.close()

    return serving


@pytest.fixture
def task(base: Base) -> RoleTask:
    return make_task(base)


@pytest.fixture
def sandbox(base: Base, runs: Path) -> DirectorySandbox:
    """A tree of the base's files without walls."""
    folder = RunFolder.of(runs, RUN)
    root = folder.trees / "live" / "workspace"
    root.mkdir(parents=True)
    for name, content in FILES.items():
        (root / name).write_text(content)
    return DirectorySandbox(root, folder.base_git / "objects")


@pytest.fixture
def bench(
    runs: Path, task: RoleTask, sandbox: DirectorySandbox, ears: Ears, retry_policy: RetryPolicy
) -> Bench:
    return Bench(runs, task, sandbox, ears, retry_policy)


@pytest.fixture
def cast(runs: Path, retry_policy: RetryPolicy) -> Cast:
    return Cast(runs, retry_policy)
