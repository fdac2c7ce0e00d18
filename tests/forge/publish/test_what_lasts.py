"""A machine that is lost while it publishes: the next goes on from what had lasted by then."""

from collections.abc import Awaitable, Callable
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from forge.publish.service import ForgePublisher
from graph.publication import PullRequest
from tests.standins.github_server.repository import HostedRepository
from tests.support.pull_requests import add_pull, change_on, prepare_pull
from tests.support.trusted_side import TrustedSide, git

pytestmark = pytest.mark.slow


class MachineLost(Exception):
    """Raised where a machine goes."""


class Machines:
    """Of each a step more of a publication lasts than of the one before, until it goes."""

    def __init__(self, side: TrustedSide, first: int, *, forks: bool = False) -> None:
        """`first`: steps that last of the first one."""
        self.first = first
        self.record = side.run().root / "publication.json"
        self.lasting: bytes | None = None
        self.steps = self.most = 0
        side.publisher = ForgePublisher(
            runs=side.runs, forge=side.github, forks=forks, make_last=self.make_last
        )

    async def make_last(self) -> None:
        self.steps += 1
        if self.steps > self.most:
            raise MachineLost
        self.lasting = self.record.read_bytes()

    async def publish(self, publish: Callable[[], Awaitable[PullRequest]]) -> PullRequest:
        for most in count(self.first):
            self.most, self.steps = most, 0
            try:
                return await publish()
            except MachineLost:
                assert self.lasting is not None
                self.record.write_bytes(self.lasting)
        raise AssertionError


def write(name: str) -> Callable[[Path], object]:
    return lambda work: (work / name).write_text("new\n")


def commits(repository: HostedRepository, branch: str, base: str) -> int:
    return int(git(repository.git_dir, "rev-list", "--count", f"{base}..{branch}"))


@pytest.mark.parametrize("first", [1, 2, 3])
@pytest.mark.parametrize("forks", [False, True])
async def test_one_pull_request_is_opened(side: TrustedSide, first: int, *, forks: bool) -> None:
    side.hosted.push = not forks
    machines = Machines(side, first, forks=forks)
    base = await side.prepare()
    for step in (2, 3):
        change = await side.change(base, write(f"{step}.txt"), step)
        publication = side.publication(base, change)
        done = await machines.publish(partial(side.publish, publication))
        pull = side.hosted.pulls[1]
        home = pull.head_repository or side.hosted
        assert (done.number, list(side.hosted.pulls)) == (1, [1])
        assert commits(home, pull.head, base.sha) == step - 1
        assert len(side.hosted.comments) == 1


@pytest.mark.parametrize("first", [1, 2, 3])
async def test_a_pull_request_gets_one_commit(side: TrustedSide, first: int) -> None:
    pull = await add_pull(side, {"new.txt": "theirs\n"})
    machines = Machines(side, first)
    base = await prepare_pull(side, pull)
    change = await change_on(side, base, write("more.txt"))
    publication = side.publication(base, change, branch=pull.head)
    await machines.publish(partial(side.publish, publication))
    assert list(side.hosted.pulls) == [1]
    assert commits(side.hosted, pull.head, base.sha) == 1
    assert len(side.hosted.comments) == 1
