"""From a request to what comes out of it, whatever goes wrong on the way: a row a case."""

from typing import Final

import pytest

from tests.e2e.table.case import Case
from tests.e2e.table.claude_faults import CLAUDE_FAULTS
from tests.e2e.table.forge_faults import FORGE_FAULTS
from tests.e2e.table.requests import REQUESTS
from tests.support.whole_runs.hosted_repository import Hosted
from tests.support.whole_runs.service_client import Run
from tests.support.whole_runs.world import World

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
]
CASES: Final[dict[str, Case]] = {**REQUESTS, **CLAUDE_FAULTS, **FORGE_FAULTS}


@pytest.mark.parametrize("name", CASES)
async def test_what_comes_out(world: World, name: str) -> None:
    case = CASES[name]
    repo = await world.host(case.files, case.make, **case.facts)
    before, place = len(repo.branches), f"/{repo.repository.full_name}"
    for trouble in case.troubles:
        path_end = f"{place}{trouble.path_end}"
        world.forge.fail(trouble.method, path_end, trouble.fault)
    run = await world.run(f"Greet with {name}.", repo, case.script, **case.fields)
    assert (run.end["status"], run.error) == (case.status, case.error), run.end
    assert case.reason in (None, run.end.get("reason"))
    assert case.retries in (None, bool(run.of("retry")))
    _check_pull(case, run, repo, len(repo.branches) - before)
    case.holds(run, repo)


def _check_pull(case: Case, run: Run, repo: Hosted, branches: int) -> None:
    """One pull request or none, and one new branch or none, whatever was tried twice."""
    left = {"none": (0, 0), "branch": (1, 0), "draft": (1, 1), "ready": (1, 1)}
    assert (branches, len(repo.pulls)) == left[case.pull]
    if repo.pulls:
        assert repo.pull.draft == (case.pull == "draft")
        assert run.end["prUrl"] == f"{repo.url}/pull/1"
