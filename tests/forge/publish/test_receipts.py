"""A pull request has one receipt: a comment that is brought up to date in place."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from forge.publish.service import ForgePublisher
from forge.receipt import PURPOSE, ReceiptPage, ReceiptPlace
from forge.receipt.page import MARK, read_page
from forge.signing import PublicKeys, SigningKey
from graph.publication import PullRequest
from tests.forge.publish.test_follow_up import STRANGERS, THEIRS, follow
from tests.forge.publish.test_preflight import BRANCH as WANTED
from tests.standins.github import Fault
from tests.support.pull_requests import add_pull, change_on, prepare_pull
from tests.support.signing_keys import make_ssh_key
from tests.support.trusted_side import TrustedSide, git, write_file

BRANCH = "agent/add-a-file-0123abcd"


async def publish(side: TrustedSide, step: int = 2, **more: Any) -> PullRequest:
    base = await side.prepare()
    name = f"new-{step}.py"
    change = await side.change(base, lambda work: (work / name).write_text("new = 1\n"), step)
    return await side.publish(side.publication(base, change, **more))


def comments(side: TrustedSide) -> list[str]:
    return [each.body for each in side.hosted.comments.values()]


def head(side: TrustedSide) -> str:
    return git(side.hosted.git_dir, "rev-parse", BRANCH).decode().strip()


async def test_it_is_one_comment_that_names_the_head(side: TrustedSide) -> None:
    await publish(side, draft=True)
    (first,) = comments(side)
    assert first.startswith(MARK)
    read = read_page(first)
    assert read
    assert (read[0].commit, read[0].run_id) == (head(side), "r1")
    await publish(side, step=3)
    (second,) = comments(side)
    read = read_page(second)
    assert read
    assert read[0].commit == head(side)
    assert second != first


async def test_a_plain_run_asks_the_forge_little(side: TrustedSide) -> None:
    base = await side.prepare()
    change = await side.change(base, write_file)
    await side.publisher.check_publishable("r1", base, WANTED, None, side.events.append)
    await side.publish(side.publication(base, change))
    calls = [each for each in side.forge.requests if each.path.startswith("/api/")]
    assert len(calls) <= 8, calls
    assert len(comments(side)) == 1


async def test_one_that_was_deleted_is_shown_again(side: TrustedSide) -> None:
    await publish(side, draft=True)
    side.hosted.comments.clear()
    await publish(side, step=3)
    assert len(comments(side)) == 1


async def test_where_comments_are_refused_it_is_folded_below_the_text(side: TrustedSide) -> None:
    side.forge.fail("POST", "/comments", Fault(403, times=9))
    done = await publish(side)
    assert done.number == 1
    body = side.hosted.pulls[1].body
    assert "It was asked for." in body
    assert read_page(body)
    assert not comments(side)


@pytest.mark.slow
async def test_it_is_signed_where_there_is_a_key(side: TrustedSide, tmp_path: Path) -> None:
    key = SigningKey(make_ssh_key(tmp_path / "keys").file)
    side.publisher = ForgePublisher(runs=side.runs, forge=side.github, kept=side.kept, key=key)
    await publish(side)
    read = read_page(comments(side)[0])
    assert read
    receipt, signature = read
    keys = PublicKeys.of([await key.public()])
    assert await keys.verify(receipt.canonical, signature, PURPOSE)
    tampered = receipt.model_copy(update={"review": "approve"})
    assert not await keys.verify(tampered.canonical, signature, PURPOSE)
    assert not await keys.verify(receipt.canonical, signature, "git")


@dataclass
class KeptPages(ReceiptPlace):
    """A place of a test's own."""

    pages: list[tuple[ReceiptPage, int | None]] = field(default_factory=list)

    async def show(self, page: ReceiptPage, known: int | None) -> int | None:
        self.pages.append((page, known))
        return 7


@pytest.mark.slow
async def test_it_may_be_shown_elsewhere(side: TrustedSide) -> None:
    place = KeptPages()
    side.publisher = ForgePublisher(
        runs=side.runs, forge=side.github, kept=side.kept, receipts=place
    )
    await publish(side, draft=True)
    await publish(side, step=3)
    assert [(page.number, known) for page, known in place.pages] == [(1, None), (1, 7)]
    assert place.pages[1][0].commit == head(side)
    assert not comments(side)


@pytest.mark.slow
@pytest.mark.parametrize("of", [{}, STRANGERS], ids=["ours", "a stranger's"])
async def test_a_later_run_brings_the_receipt_of_the_first_up_to_date(
    side: TrustedSide, of: dict[str, Any]
) -> None:
    pull = await add_pull(side, THEIRS, **of)
    pull.maintainers_may_edit = True
    side.hosted.say(pull.number, "mallory", f"{MARK}\nNothing to see.")
    for run_id in ("r1", "r2"):
        base = await prepare_pull(side, pull, run_id)
        name = f"{run_id}.txt"
        change = await change_on(side, base, partial(write_named, name=name), run_id)
        await follow(side, base, change, run_id=run_id)
    planted, receipt = comments(side)
    assert planted == f"{MARK}\nNothing to see."
    read = read_page(receipt)
    assert read
    assert read[0].run_id == "r2"


def write_named(work: Path, name: str) -> None:
    (work / name).write_text("new\n")
