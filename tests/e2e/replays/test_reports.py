"""Public bug reports of systems like this one, replayed."""

import pytest

from tests.e2e.replays.report import Report
from tests.e2e.replays.reports import REPORTS
from tests.support.whole_runs.world import World

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest.mark.parametrize("report", [pytest.param(each, id=each.where) for each in REPORTS])
async def test_what_was_reported_does_not_happen_here(world: World, report: Report) -> None:
    repo = await world.host(report.files, report.make)
    run = await world.start(f"Greet as in {report.where}.", repo, report.script, **report.fields)
    await run.ended()
    await world.check(run, all_told=False)
    assert run.end["status"] == report.status, run.end
    report.holds(run, repo)
