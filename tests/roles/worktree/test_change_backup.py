"""What a role has changed so far: kept by the newest call alone, and told where it was restored."""

import time
from pathlib import Path

import pytest

from graph.errors import ClaudeRejected, RoleSuperseded
from roles.worktree.change_backup import ChangeBackup
from roles.worktree.tree_digest import TreeView
from roles.worktree.write_fence import FileWriteFence
from tests.standins.claude import Cut, HttpError, calls
from tests.support.roles.role_bench import DONE, Bench, Serve


def live_change(root: Path, number: int = 2) -> ChangeBackup:
    (root / "fence").write_text("2")
    return ChangeBackup(
        root / "0001-coder-live.patch", FileWriteFence(root, number), lambda patch: b"KEY" in patch
    )


async def test_the_newest_call_s_change_is_found_again(tmp_path: Path) -> None:
    live = live_change(tmp_path)
    assert await live.newest() is None
    await live.save(b"first")
    await live.save(b"second")
    found = await live_change(tmp_path).newest()
    assert found
    assert found[0] == b"second"
    assert time.time() - found[1] < 60


async def test_an_older_call_keeps_nothing(tmp_path: Path) -> None:
    with pytest.raises(RoleSuperseded):
        await live_change(tmp_path, number=1).save(b"older")
    assert await live_change(tmp_path).newest() is None


async def test_a_key_is_not_kept(tmp_path: Path) -> None:
    await live_change(tmp_path).save(b"a KEY")
    assert await live_change(tmp_path).newest() is None


async def test_what_befell_the_tree_is_told_with_the_next_message(
    serve: Serve, bench: Bench
) -> None:
    news = ["made for the first time", "", "made again as it was at 12:00:00 UTC"]
    tree = TreeView(digest=_nothing, notices=lambda: news.pop(0) if news else "")
    async with serve(calls("echo one"), calls("echo two"), DONE) as (server, claude):
        assert (await bench.run(claude, view=tree)).answer
    said = [str(message["content"]) for message in server.requests[-1]["messages"]]
    assert "first time" not in "".join(said)
    assert "made again as it was" in said[4]


async def test_a_loss_is_told_though_the_call_that_saw_it_ended_before_it_could(
    serve: Serve, bench: Bench
) -> None:
    """The tree was made anew by a call that was killed; the next finds it as it is, and no news."""
    places = ["one"]
    tree = TreeView(digest=_nothing, notices=str, sandbox=lambda: places[-1])
    fault = HttpError(400, "invalid_request_error")
    async with serve(calls("echo one"), fault, calls("echo two"), DONE) as (server, claude):
        with pytest.raises(ClaudeRejected):
            await bench.run(claude, view=tree)
        places.append("another")
        assert (await bench.run(claude, view=tree)).answer
    before, after = server.requests[1]["messages"], server.requests[-1]["messages"]
    assert "made again" not in str(before)
    assert str(after).count("made again") == 1
    assert after[: len(before)] == before


async def test_a_request_before_and_one_after_a_loss_are_both_told(
    serve: Serve, bench: Bench
) -> None:
    """What befell the tree is a message of its own in the same turn: requests count on."""
    news = ["", "", "made again as it was at 12:00:00 UTC"]
    tree = TreeView(digest=_nothing, notices=lambda: news.pop(0) if news else "")
    fault = HttpError(400, "invalid_request_error")
    async with serve(calls("echo one"), Cut(), fault, Cut(), DONE) as (_, claude):
        with pytest.raises(ClaudeRejected):
            await bench.run(claude, view=tree)
        assert (await bench.run(claude, view=tree)).answer
        end = await bench.run(claude, view=tree)
    usages = [event for event in bench.ears.events if event.type == "usage"]
    told = {event.key: event.data()["costUsd"] for event in usages}
    assert list(told) == [f"1.{n}.usage" for n in ("1.1", "2.1", "2.3", "2.4")]
    assert end.spend.cost_usd == pytest.approx(sum(told.values()))


async def _nothing() -> str:
    return ""
