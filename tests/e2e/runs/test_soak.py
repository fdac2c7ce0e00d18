"""The soak in short: what `make soak` does for minutes with two hundred runs."""

import os
from pathlib import Path

import pytest

from benchmarks.soak import Plan, soak
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
async def test_runs_survive_kills_and_faults(data_dir: Path) -> None:
    if reason := missing():
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    report = await soak(SHORT, data_dir)
    assert report.problems == []
    assert report.kills == SHORT.most_kills
    assert report.statuses == {"succeeded": SHORT.runs}
    assert report.attempts > SHORT.runs
    assert report.replies_counted <= report.model_calls
    assert report.stop_s < 10
