"""The soak in short: what `make soak` does for minutes with two hundred runs."""

import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.soak import Plan, soak
from tests.standins.postgres_server import serving
from tests.support.sandbox.local_tree import missing

pytestmark = pytest.mark.slow

SHORT = Plan(
    runs=6,
    concurrency=6,
    model_faults=0.05,
    forge_faults=0.08,
    kill_every_s=0.5,
    most_kills=1,
    killing=0.9,
    seed=296,  # its faults are many, but never so close that a call meets nothing else
    deadline_s=600,
)


@pytest.mark.sandbox
@pytest.mark.parametrize("kept", ["in files", "in PostgreSQL"])
async def test_runs_survive_kills_and_faults(data_dir: Path, kept: str) -> None:
    if reason := missing():
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with ExitStack() as stack:
        plan = SHORT
        if kept == "in PostgreSQL":
            plan = replace(SHORT, database_url=stack.enter_context(serving()).new_database())
        report = await soak(plan, data_dir)
    assert report.problems == []
    assert report.kills == SHORT.most_kills
    assert report.statuses == {"succeeded": SHORT.runs}
    assert report.attempts > SHORT.runs
    assert report.replies_counted <= report.model_calls
    assert report.stop_s < 10
