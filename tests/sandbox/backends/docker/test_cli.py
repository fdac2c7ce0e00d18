"""Calls of the program `docker` that are cancelled; another program takes its place."""

import asyncio

import psutil
import pytest

from sandbox.backends.docker.cli import DockerCli


@pytest.mark.parametrize("turns", range(1, 8))
async def test_a_call_that_is_cancelled_as_it_starts_is_killed(turns: int) -> None:
    """At whichever step of its start."""
    marker = f"764.3{turns}"
    cli = DockerCli("/bin/sleep", {"PATH": "/usr/bin:/bin"})
    task = asyncio.create_task(cli.attach(marker, stdin=None, environment={}))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert marker not in str([process.info for process in psutil.process_iter(["cmdline"])])
