"""Several runs, several readers, repeated requests; and what is kept on the disk."""

import asyncio
import re
import stat

import pytest

from tests.standins.github import TOKEN, files_that_hold
from tests.support.whole_runs.claude_script import done, shell, small_change
from tests.support.whole_runs.service_client import Run
from tests.support.whole_runs.world import CLAUDE_KEY, World

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]
_READ_BY_COMMANDS = re.compile(
    r"runs/[^/]+(/base\.git(/objects(/.*)?)?|/trees)?|bases(/[^/.]+(/\d+\.git(/objects(/.*)?)?)?)?"
)
"""Folders on the way to a tree, and the objects of bases."""


async def test_two_runs_of_one_repository_at_once(world: World) -> None:
    repo = await world.host()
    seen = "ls > seen-{n}.txt; echo {n} > only-{n}.txt; sleep 0.3"
    runs = await asyncio.gather(
        *(
            world.start(
                f"Greet twice, {n}.",
                repo,
                small_change(coder=[shell(seen.format(n=n)), shell("ls"), done(f"Greet {n}")]),
            )
            for n in (1, 2)
        )
    )
    for run in runs:
        await run.ended()
    for run in runs:
        await world.check(run)
        assert run.end["status"] == "succeeded"
    assert len({run.run_id for run in runs}) == 2
    assert sorted(pull.head for pull in repo.pulls) == sorted(repo.branches)
    assert sorted(pull.title for pull in repo.pulls) == ["Greet 1", "Greet 2"]
    for pull in repo.pulls:
        other = "only-2" if pull.title == "Greet 1" else "only-1"
        assert not [path for path in repo.tree(pull.head) if other.encode() in path]


async def test_a_repeated_request_joins_its_run(world: World) -> None:
    repo = await world.host()
    prompt = "Greet only once."
    world.cast.learn(prompt, small_change())
    body = {"repoUrl": repo.url, "prompt": prompt}
    headers = {"Idempotency-Key": "once", "Prefer": "respond-async"}
    http = world.service.http
    first, second = await asyncio.gather(
        *(http.post("/code", json=body, headers=headers) for _ in range(2))
    )
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["runId"] == second.json()["runId"]
    assert first.headers["Location"] == f"/runs/{first.json()['runId']}"
    run = await Run(http, first.json()["runId"], prompt).watch().ended()
    await world.check(run)

    streamed = await http.post("/code", json=body, headers={"Idempotency-Key": "once"})
    assert streamed.headers["X-Run-Id"] == run.run_id
    assert streamed.text.count("event: run.finished") == 1
    other = await http.post("/code", json=body | {"prompt": "Other."}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    assert len(repo.pulls) == 1


async def test_readers_join_at_any_time_and_see_the_same(world: World) -> None:
    repo = await world.host()
    run = await world.start("Greet before many eyes.", repo, small_change())
    await run.until("node.started", node="code")
    early = Run(run.http, run.run_id, run.prompt).watch()
    await run.ended()
    late = await Run(run.http, run.run_id, run.prompt).watch().ended()
    await early.ended()
    assert run.events == early.events == late.events
    half = Run(run.http, run.run_id, run.prompt, run.events[:7])
    await half.watch().ended()
    assert half.events == run.events
    waited = await run.http.get(f"/runs/{run.run_id}?wait=30")
    assert waited.json()["status"] == "succeeded"
    await world.check(run)


async def test_state_is_private_and_holds_no_secret(world: World) -> None:
    repo = await world.host()
    run = await world.run("Greet in private.", repo, small_change())
    assert run.end["status"] == "succeeded"
    for secret in (TOKEN, CLAUDE_KEY):
        assert files_that_hold(world.data, secret) == []
    open_to_others = {
        str(path.relative_to(world.data)): stat.S_IMODE(path.stat().st_mode)
        for path in (world.data, *world.data.rglob("*"))
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    }
    folder = f"runs/{run.run_id}"
    passed = [".", "runs", folder, f"{folder}/base.git", f"{folder}/trees", "sandbox"]
    assert {name: open_to_others.pop(name) for name in passed} == dict.fromkeys(passed, 0o711)
    assert [name for name in open_to_others if not _READ_BY_COMMANDS.fullmatch(name)] == []


async def test_a_removed_run_leaves_nothing(world: World) -> None:
    repo = await world.host()
    run = await world.run("Greet and forget.", repo, small_change())
    folder = world.data / "runs" / run.run_id
    assert folder.exists()
    assert (await run.call("DELETE")).status_code == 204
    assert not folder.exists()
    assert (await run.call("GET")).status_code == 404
    assert (await run.call("GET", "/diff")).status_code == 404
