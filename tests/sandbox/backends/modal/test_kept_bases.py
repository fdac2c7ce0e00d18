"""Images of checked-out bases: which trees begin with one, and what is in it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from grpclib import Status

from graph import NO_ENVIRONMENT, Environment
from graph.environment_record import repo_of
from sandbox.backends.modal.client import TAG_CREATED, TAG_STATE
from sandbox.backends.modal.setup import forget_set_ups
from sandbox.backends.modal.spares import SPARE
from sandbox.backends.modal.trees import sandbox_name
from sandbox.core.protocol import Limits, Sandbox, TreeSpec
from tests.support.graph.environments import environment_of
from tests.support.polling import until
from tests.support.pull_requests import commit_in
from tests.support.sandbox.modal_trees import ModalRun, modal_run, on_plane
from tests.support.sandbox.sample_run import RUN, git, sample_run

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

LIMITS = Limits(timeout_s=30, disk_mb=64)
_SNAPSHOT, _TAGS = "TaskSnapshotFilesystem", "SandboxTagsGetV2"


@pytest.fixture
async def on_modal(data_dir: Path) -> AsyncIterator[ModalRun]:
    sample = sample_run(data_dir, {"a.txt": "base\n", "b.txt": "base\n"})
    async with modal_run(sample, LIMITS) as made:
        yield on_plane(made.plane, sample, LIMITS, worth_bytes=0)


async def begin_live(on_modal: ModalRun, environment: Environment = NO_ENVIRONMENT) -> Sandbox:
    """The live tree, begun ahead as while a planner works, and opened once it is ready."""
    spec = TreeSpec("live", on_modal.run.base, environment=environment)
    on_modal.sandboxes.begin(RUN, "live", spec)
    name = sandbox_name(RUN, "live")
    sandboxes = on_modal.plane.sandboxes
    await until(lambda: name in on_modal.names())
    await until(lambda: sandboxes.named(name).tags[TAG_STATE] == SPARE)
    return await on_modal.sandboxes.open(RUN, spec)


def elsewhere(on_modal: ModalRun) -> ModalRun:
    return on_plane(on_modal.plane, on_modal.run, LIMITS, worth_bytes=0)


def programs(on_modal: ModalRun, tree: str) -> list[Sequence[str]]:
    """What was started in a tree's Sandbox."""
    execs = on_modal.plane.sandboxes.named(sandbox_name(RUN, tree)).execs
    return [running.command for running in execs.values()]


def written(on_modal: ModalRun, tree: str) -> int:
    """Bytes that were sent into a tree's Sandbox."""
    return on_modal.plane.sandboxes.named(sandbox_name(RUN, tree)).written


async def told(tree: Sandbox, command: str) -> str:
    result = await tree.run(command)
    assert result.exit_code == 0, result.text
    return result.text


async def test_a_tree_begins_with_the_base_and_nothing_that_was_done_since(
    on_modal: ModalRun,
) -> None:
    live = await begin_live(on_modal)
    await told(live, "echo done > a.txt; echo new > c.txt; echo more > ~/left")
    change = await on_modal.run.make_change("echo changed > b.txt", step=2)
    other = elsewhere(on_modal)
    tree = await other.sandboxes.open(RUN, TreeSpec("validate-2", on_modal.run.base, change))
    seen = await told(tree, "cat a.txt b.txt; ls ~; git status --porcelain; git log --oneline")
    assert seen.splitlines()[:3] == ["base", "changed", "M  b.txt"]
    assert len(seen.splitlines()) == 4
    await told(tree, "touch ~/mine /tmp/mine mine && git add -A && git diff --cached --quiet; true")
    assert len(on_modal.plane.images.snapshots) == 1
    assert await on_modal.run.take(tree) != b""


async def test_the_base_is_not_sent_again(on_modal: ModalRun) -> None:
    await begin_live(on_modal)
    for name in ("validate-1", "review-1"):
        spec = TreeSpec(name, on_modal.run.base)
        tree = await elsewhere(on_modal).sandboxes.open(RUN, spec)
        assert await told(tree, "cat a.txt") == "base\n"
        assert len(programs(on_modal, name)) <= 2
        assert written(on_modal, name) < written(on_modal, "live")
    on_modal.sandboxes.begin(RUN, "review-2", TreeSpec("review-2", on_modal.run.base))
    tree = await on_modal.sandboxes.open(RUN, TreeSpec("review-2", on_modal.run.base))
    assert await told(tree, "git status --porcelain") == ""


@pytest.mark.parametrize("ahead", [False, True])
async def test_no_file_seems_changed_to_a_command_that_asks_the_index(
    on_modal: ModalRun, *, ahead: bool
) -> None:
    await begin_live(on_modal)
    spec = TreeSpec("review-1", on_modal.run.base)
    if ahead:
        on_modal.sandboxes.begin(RUN, spec.name, spec)
    tree = await on_modal.sandboxes.open(RUN, spec)
    assert await told(tree, "git diff-files --name-only; git diff-index HEAD") == ""
    assert len(on_modal.plane.images.snapshots) == 1


async def test_what_set_up_left_is_in_it(on_modal: ModalRun) -> None:
    environment = environment_of(["echo installed > ~/made; echo $RANDOM$RANDOM > made"])
    live = await begin_live(on_modal, environment)
    first = await told(live, "cat ~/made made a.txt")
    spec = TreeSpec("validate-1", on_modal.run.base, environment=environment)
    tree = await elsewhere(on_modal).sandboxes.open(RUN, spec)
    assert await told(tree, "cat ~/made made a.txt") == first
    assert len(on_modal.plane.images.snapshots) == 2
    other = environment_of(["echo another > ~/made; echo of its own > made"])
    spec = TreeSpec("validate-2", on_modal.run.base, environment=other)
    tree = await elsewhere(on_modal).sandboxes.open(RUN, spec)
    assert await told(tree, "cat ~/made made a.txt") == "another\nof its own\nbase\n"


async def test_a_tree_that_gives_way_to_others_makes_one(on_modal: ModalRun) -> None:
    """Where the live one was not made ahead; that does not wait for an image."""
    live = await on_modal.sandboxes.open(RUN, TreeSpec("live", on_modal.run.base))
    assert not on_modal.plane.images.snapshots
    spec = TreeSpec("baseline-0", on_modal.run.base, weight=0.5)
    tree = await elsewhere(on_modal).sandboxes.open(RUN, spec)
    assert await told(tree, "echo done > a.txt; cat b.txt") == "base\n"
    later = await elsewhere(on_modal).sandboxes.open(RUN, TreeSpec("review-1", on_modal.run.base))
    assert await told(later, "cat a.txt") == "base\n"
    assert written(on_modal, "review-1") < written(on_modal, "baseline-0")
    await live.close()


async def test_another_commit_has_none(on_modal: ModalRun) -> None:
    await begin_live(on_modal)
    git_dir = on_modal.run.folder.base_git
    sha = commit_in(git_dir, "main", {"a.txt": "newer\n"})
    tree = git(git_dir, "rev-parse", f"{sha}^{{tree}}")
    base = on_modal.run.base.model_copy(update={"sha": sha, "tree": tree})
    newer = await elsewhere(on_modal).sandboxes.open(RUN, TreeSpec("validate-1", base))
    assert await told(newer, "cat a.txt; git status --porcelain") == "newer\n"


async def test_where_the_image_is_gone_the_base_is_sent(on_modal: ModalRun) -> None:
    await begin_live(on_modal)
    (image,) = on_modal.plane.images.snapshots
    on_modal.plane.images.forget(image)
    spec = TreeSpec("validate-1", on_modal.run.base)
    tree = await elsewhere(on_modal).sandboxes.open(RUN, spec)
    assert await told(tree, "cat a.txt; git status --porcelain") == "base\n"


async def test_where_it_is_not_known_whether_there_is_one_the_base_is_sent(
    on_modal: ModalRun,
) -> None:
    await begin_live(on_modal)
    on_modal.plane.faults.fail("DictGet", Status.INTERNAL, times=20)
    tree = await on_modal.sandboxes.open(RUN, TreeSpec("validate-1", on_modal.run.base))
    assert await told(tree, "cat a.txt; git status --porcelain") == "base\n"
    on_modal.plane.faults.clear()


async def test_who_opens_the_tree_elsewhere_waits_while_it_is_kept(on_modal: ModalRun) -> None:
    """Also where filling it has taken long."""
    faults, sandboxes, name = on_modal.plane.faults, on_modal.plane.sandboxes, "live"
    spec = TreeSpec(name, on_modal.run.base)
    with faults.holding("TaskExecStart") as filling, faults.holding(_SNAPSHOT) as keeping:
        on_modal.sandboxes.begin(RUN, name, spec)
        await filling.reached.wait()
        begun = sandboxes.named(sandbox_name(RUN, name))
        begun.tags[TAG_CREATED] = "0"
        filling.released.set()
        await keeping.reached.wait()
        looked = faults.seen[_TAGS]
        opening = asyncio.create_task(elsewhere(on_modal).sandboxes.open(RUN, spec))
        await until(lambda: faults.seen[_TAGS] > looked + 1)
    assert await told(await opening, "cat a.txt") == "base\n"
    assert sandboxes.named(sandbox_name(RUN, name)) is begun
    assert len(on_modal.plane.images.snapshots) == 1


async def test_where_none_can_be_made_trees_are_filled(on_modal: ModalRun) -> None:
    on_modal.plane.faults.fail(_SNAPSHOT, Status.INTERNAL, times=20)
    live = await begin_live(on_modal)
    assert await told(live, "cat a.txt") == "base\n"
    assert not on_modal.plane.images.snapshots


async def test_a_small_base_has_none(on_modal: ModalRun) -> None:
    small = on_plane(on_modal.plane, on_modal.run, LIMITS)
    await begin_live(small)
    assert not on_modal.plane.images.snapshots


async def test_what_is_kept_of_a_repository_goes_with_its_set_ups(on_modal: ModalRun) -> None:
    await begin_live(on_modal)
    assert await forget_set_ups(on_modal.backend.options, repo_of(on_modal.run.base))
    assert not on_modal.plane.images.snapshots
