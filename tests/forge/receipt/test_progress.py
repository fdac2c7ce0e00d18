"""With an App a check on the head shows how far a run is that goes on with a pull request."""

import asyncio
import resource
from typing import Any

import pytest

from forge.core import PROGRESS_CHECK
from forge.receipt import CheckProgress
from tests.forge.github.test_app import as_app
from tests.standins.github import DROPPED, Fault
from tests.support.pull_requests import add_pull, prepare_pull
from tests.support.trusted_side import TrustedSide

THEIRS = {"theirs.txt": "theirs\n"}


@pytest.fixture
def ours(side: TrustedSide) -> TrustedSide:
    """The trusted side as an App that may make checks."""
    return as_app(side)[0]


def open_progress(side: TrustedSide, every_s: float = 0) -> CheckProgress:
    return CheckProgress(side.runs, side.github, every_s=every_s)


def checks(side: TrustedSide) -> list[dict[str, Any]]:
    return [row for rows in side.hosted.checks.values() for row in rows]


def title(side: TrustedSide) -> str:
    (check,) = checks(side)
    return str(check["output"]["title"])


async def test_it_is_under_way_from_the_start_and_follows_the_nodes(ours: TrustedSide) -> None:
    pull = await add_pull(ours, THEIRS)
    base, progress = await prepare_pull(ours, pull), open_progress(ours)
    shown = []
    for node in ("code", "validate", "review"):
        progress.show("r1", base, node)
        await asyncio.wait([progress.work("r1")])
        (check,) = checks(ours)
        assert (check["name"], check["status"]) == (PROGRESS_CHECK, "in_progress")
        assert check["head_sha"] == pull.head_sha
        shown.append(title(ours))
    assert shown == ["Writing the change.", "Running the checks.", "Reviewing."]
    await progress.end("r1", "succeeded")
    (check,) = checks(ours)
    assert (check["status"], check["conclusion"]) == ("completed", "neutral")
    assert title(ours) == "Done."


async def test_it_costs_no_more_than_a_call_a_minute(ours: TrustedSide) -> None:
    base, progress = await prepare_pull(ours, await add_pull(ours, THEIRS)), open_progress(ours, 60)
    for node in ("code", "validate", "fix", "validate", "review", "publish"):
        progress.show("r1", base, node)
    await progress.end("r1", None)
    assert title(ours) == "Stopped."
    assert ours.forge.calls("POST", "/check-runs") == 1
    assert ours.forge.calls("PATCH", "/check-runs/1") == 1


async def test_one_that_a_killed_process_left_is_gone_on_with(ours: TrustedSide) -> None:
    base, progress = await prepare_pull(ours, await add_pull(ours, THEIRS)), open_progress(ours)
    ours.forge.fail("POST", "/check-runs", Fault(**{**vars(DROPPED), "after": True}))
    ours.forge.fail("GET", "/check-runs", Fault(500, times=9))
    progress.show("r1", base, "code")
    await asyncio.wait([progress.work("r1")])
    ours.forge.forgive()
    after = open_progress(ours)
    after.show("r1", base, "validate")
    await after.end("r1", "failed")
    assert title(ours) == "Failed."
    after.show("r1", base, "validate")
    await after.end("r1", "succeeded")
    assert [check["conclusion"] for check in checks(ours)] == ["neutral"] * 2


async def test_a_review_is_shown_on_the_head_that_it_reviews(ours: TrustedSide) -> None:
    pull = await add_pull(ours, THEIRS)
    base = await prepare_pull(ours, pull)
    began, _ = await ours.repositories.read_pull("r1", base)
    progress = open_progress(ours)
    progress.show("r1", began, "review")
    await progress.end("r1", "succeeded")
    (check,) = checks(ours)
    assert check["head_sha"] == pull.head_sha != began.sha


async def test_one_of_a_required_name_is_never_made(ours: TrustedSide) -> None:
    ours.hosted.required.add(PROGRESS_CHECK)
    base, progress = await prepare_pull(ours, await add_pull(ours, THEIRS)), open_progress(ours)
    progress.show("r1", base, "code")
    await progress.end("r1", "succeeded")
    assert not checks(ours)


async def test_a_forge_that_is_away_holds_nothing_up(ours: TrustedSide) -> None:
    base, progress = await prepare_pull(ours, await add_pull(ours, THEIRS)), open_progress(ours)
    ours.forge.fail("POST", "/check-runs", Fault(403, times=9))
    progress.show("r1", base, "code")
    await progress.end("r1", "succeeded")
    assert not checks(ours)


async def test_a_full_disk_keeps_no_run_from_its_end(ours: TrustedSide) -> None:
    base, progress = await prepare_pull(ours, await add_pull(ours, THEIRS)), open_progress(ours)
    progress.show("r1", base, "code")
    await asyncio.wait([progress.work("r1")])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        await progress.end("r1", "succeeded")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert title(ours) == "Done."


async def test_what_waits_for_the_forge_holds_up_no_end(ours: TrustedSide) -> None:
    base = await prepare_pull(ours, await add_pull(ours, THEIRS))
    progress = CheckProgress(ours.runs, ours.github, every_s=0, last_s=0)
    stuck = progress._work["r1"] = asyncio.create_task(wait_for_ever())
    progress.show("r1", base, "review")
    await asyncio.sleep(0.01)
    await asyncio.wait_for(progress.end("r1", "failed"), 20)
    assert stuck.cancelled()
    assert not checks(ours)


async def wait_for_ever() -> None:
    await asyncio.Event().wait()


async def test_neither_a_token_nor_a_run_of_no_pull_request_asks_for_any(
    side: TrustedSide,
) -> None:
    base, progress = await prepare_pull(side, await add_pull(side, THEIRS)), open_progress(side)
    progress.show("r1", base, "code")
    await progress.end("r1", "succeeded")
    ours = as_app(side)[0]
    progress = open_progress(ours)
    progress.show("r2", await ours.prepare(run_id="r2"), "code")
    await progress.end("r2", "succeeded")
    assert not checks(ours)


async def test_it_is_no_check_that_others_wait_for(ours: TrustedSide) -> None:
    base, progress = await prepare_pull(ours, await add_pull(ours, THEIRS)), open_progress(ours)
    progress.show("r1", base, "code")
    await asyncio.wait([progress.work("r1")])
    state = await ours.github.pull_state("octo/sample", 1)
    assert not state.checks
