"""Trees on Modal: what is asked of it, how they are found, lost and ended."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from grpclib import Status

from graph.environment_record import repo_of
from graph.errors import SandboxUnavailable, SetupFailed
from graph.events import Event, Retry
from sandbox.backends.modal.client import TAG_CREATED, TAG_STATE
from sandbox.backends.modal.setup import forget_set_ups
from sandbox.backends.modal.spares import SPARE
from sandbox.backends.modal.trees import _TAG_KEPT
from sandbox.core.protocol import FileAccessError, Limits, Sandbox, Sandboxes, Saved, TreeSpec
from sandbox.egress.allowlist import SetupHost
from sandbox.egress.image_sources import resolve_in_image
from sandbox.selftest.modal import try_modal
from sandbox.trees.lazy_sandboxes import LazySandboxes
from tests.support.needed_programs import needs
from tests.support.polling import until
from tests.support.sandbox.local_tree import AS_ROOT
from tests.support.sandbox.modal_trees import ModalRun, modal_run, on_plane
from tests.support.sandbox.sample_run import RUN, sample_run

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

LIMITS = Limits(timeout_s=30, memory_mb=256, cpus=2, pids=64, disk_mb=64)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def on_modal(module_dir: Path) -> AsyncIterator[ModalRun]:
    async with modal_run(sample_run(module_dir, {"hello.txt": "hello\n"}), LIMITS) as on_modal:
        yield on_modal


class SavedInMemory(Saved):
    """What is kept of a tree, for as long as the test runs."""

    handed_over = False

    def __init__(self) -> None:
        self.patch: tuple[bytes, float] | None = None
        self.told: list[str] = []
        self.sandboxes: list[str] = []
        self.saved = asyncio.Event()

    async def newest(self) -> tuple[bytes, float] | None:
        return self.patch

    async def save(self, patch: bytes) -> None:
        self.patch = (patch, time.time())
        self.saved.set()

    def opened(self, sandbox: str, message: str = "") -> None:
        self.sandboxes.append(sandbox)
        self.told += [message] if message else []


async def said(sandbox: Sandbox, command: str) -> str:
    result = await sandbox.run(command)
    assert result.exit_code == 0, result.text
    return result.text.strip()


async def test_a_sandbox_is_asked_for_without_secrets_network_or_mounts(on_modal: ModalRun) -> None:
    await on_modal.run.open("asked")
    request = on_modal.plane.sandboxes.named(f"{RUN}-asked").request
    asked = request.definition
    assert not request.secret_sources
    assert not asked.secret_ids
    assert not asked.volume_mounts
    assert not asked.cloud_bucket_mounts
    assert not asked.include_oidc_identity_token
    assert not asked.open_ports.ports
    assert asked.network_access.network_access_type == asked.network_access.BLOCKED
    assert (asked.timeout_secs, asked.idle_timeout_secs) == (3600, 600)
    assert (asked.resources.milli_cpu, asked.resources.milli_cpu_max) == (500, 2000)
    assert (asked.resources.memory_mb, asked.resources.memory_mb_max) == (256, 512)
    tags = {tag.tag_name: tag.tag_value for tag in request.tags}
    assert (tags["run"], tags["tree"], tags[TAG_STATE]) == (RUN, "asked", "making")


async def test_another_process_finds_the_tree_by_its_name(on_modal: ModalRun) -> None:
    await said(await on_modal.run.open(), "echo kept > kept")
    other = on_plane(on_modal.plane, on_modal.run, LIMITS)
    assert await said(await other.run.open(), "cat kept") == "kept"
    assert on_modal.names().count(f"{RUN}-live") == 1


async def test_a_tree_that_was_left_half_made_is_made_again(on_modal: ModalRun) -> None:
    left = await on_modal.backend.client.make(f"{RUN}-half", {TAG_STATE: "making", "run": RUN})
    assert left
    sandbox = await on_modal.run.open("half")
    assert await said(sandbox, "cat hello.txt") == "hello"
    assert not await left.runs()


async def test_a_tree_is_made_in_the_sandbox_that_was_begun_for_it(on_modal: ModalRun) -> None:
    """Here and in another process, which may be faster than the one that began it."""
    on_modal.sandboxes.begin(RUN, "ahead")
    assert await said(await on_modal.run.open("ahead"), "cat hello.txt") == "hello"
    on_modal.sandboxes.begin(RUN, "elsewhere")
    await until(lambda: f"{RUN}-elsewhere" in on_modal.names())
    other = on_plane(on_modal.plane, on_modal.run, LIMITS)
    assert await said(await other.run.open("elsewhere"), "cat hello.txt") == "hello"
    for name in ("ahead", "elsewhere"):
        made = [known.name for known in on_modal.plane.sandboxes.by_id.values()]
        assert made.count(f"{RUN}-{name}") == 1


@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "in another process"])
async def test_the_base_is_checked_out_ahead(on_modal: ModalRun, *, elsewhere: bool) -> None:
    """Whoever opens the tree waits for that; nothing but the change is left to be brought."""
    name, started = f"filled-{elsewhere}".lower(), on_modal.plane.faults.seen["TaskExecStart"]
    spec = TreeSpec(name, on_modal.run.base)
    on_modal.sandboxes.begin(RUN, name, spec)
    await until(lambda: f"{RUN}-{name}" in on_modal.names())
    opens = on_plane(on_modal.plane, on_modal.run, LIMITS) if elsewhere else on_modal
    tree = await opens.sandboxes.open(RUN, spec)
    assert on_modal.plane.faults.seen["TaskExecStart"] == started + (1 if AS_ROOT else 2)
    assert await said(tree, "cat hello.txt && git status --porcelain") == "hello"
    made = [known.name for known in on_modal.plane.sandboxes.by_id.values()]
    assert made.count(f"{RUN}-{name}") == 1


async def test_a_change_is_brought_into_a_tree_that_was_filled_ahead(on_modal: ModalRun) -> None:
    saved = SavedInMemory()
    tree = await on_modal.sandboxes.open(RUN, TreeSpec("changed", on_modal.run.base, saved=saved))
    await tree.run("echo more >> hello.txt")
    await until(lambda: saved.patch is not None)
    ahead = TreeSpec("with-change", on_modal.run.base)
    on_modal.sandboxes.begin(RUN, ahead.name, ahead)
    tree = await on_modal.sandboxes.open(RUN, replace(ahead, saved=saved))
    told = await said(tree, "cat hello.txt && git status --porcelain")
    assert told == "hello\nmore\nM  hello.txt"


@pytest.mark.parametrize("other", ["base", "checkout"])
async def test_a_tree_of_another_base_is_not_taken(on_modal: ModalRun, other: str) -> None:
    base, name = on_modal.run.base, f"other-{other}"
    spec = TreeSpec(name, base)
    moved = replace(spec, base=base.model_copy(update={"tree": base.sha}))
    on_modal.sandboxes.begin(RUN, name, {"base": moved}.get(other, replace(spec, checkout=False)))
    tree = await on_modal.sandboxes.open(RUN, spec)
    assert await said(tree, "cat hello.txt") == "hello"
    made = [known.name for known in on_modal.plane.sandboxes.by_id.values()]
    assert made.count(f"{RUN}-{name}") == 2


@pytest.mark.parametrize("gone", [False, True], ids=["begins with another image", "has gone"])
async def test_a_sandbox_that_was_begun_in_vain_is_replaced(
    on_modal: ModalRun, *, gone: bool
) -> None:
    name = f"vain-{gone}".lower()
    tags = {TAG_STATE: SPARE, "run": RUN, "begins": "" if gone else "other"}
    spare = await on_modal.backend.client.make(f"{RUN}-{name}", tags)
    assert spare
    if gone:
        await on_modal.plane.sandboxes.lose(f"{RUN}-{name}")
    assert await said(await on_modal.run.open(name), "cat hello.txt") == "hello"
    assert not await spare.runs()


async def test_one_is_begun_from_a_machine_whose_backend_is_chosen_late(on_modal: ModalRun) -> None:
    async def choose() -> Sandboxes:
        return on_modal.sandboxes

    machine = LazySandboxes(choose, runs=on_modal.run.folder.root.parent)
    machine.begin(RUN, "early")
    await machine.chosen()
    machine.begin(RUN, "late")
    await until(lambda: f"{RUN}-late" in on_modal.names())
    assert f"{RUN}-early" not in on_modal.names()


async def test_what_was_begun_is_ended_with_the_run(on_modal: ModalRun) -> None:
    faults = on_modal.plane.faults
    before = faults.seen["SandboxCreateV2"]
    faults.delay("SandboxCreateV2", 1)
    on_modal.sandboxes.begin("run-2", "late")
    await until(lambda: faults.seen["SandboxCreateV2"] > before)
    await on_modal.sandboxes.close_run("run-2")
    assert "run-2-late" not in on_modal.names()
    on_modal.plane.faults.clear()


@pytest.mark.parametrize("is_there", [False, True], ids=["on its way", "there"])
async def test_what_another_process_has_begun_is_not_made_again(
    on_modal: ModalRun, *, is_there: bool
) -> None:
    faults, name = on_modal.plane.faults, f"twice-{is_there}".lower()
    seen = faults.seen["SandboxCreateV2"]
    other = on_plane(
        on_modal.plane, on_modal.run, LIMITS, begun_elsewhere=() if is_there else (name,)
    )
    if is_there:
        on_modal.sandboxes.begin(RUN, name)
        await until(lambda: f"{RUN}-{name}" in on_modal.names())
        other.sandboxes.begin(RUN, name)
    else:
        with faults.holding("SandboxCreateV2") as making:
            on_modal.sandboxes.begin(RUN, name)
            await making.reached.wait()
            looked = faults.seen["SandboxGetFromNameV2"]
            other.sandboxes.begin(RUN, name)
            await until(lambda: faults.seen["SandboxGetFromNameV2"] > looked)
            making.released.set()
    assert await said(await other.run.open(name), "cat hello.txt") == "hello"
    assert faults.seen["SandboxCreateV2"] == seen + 1


async def test_what_another_process_has_begun_and_does_not_come_is_made(
    on_modal: ModalRun,
) -> None:
    alone = on_plane(on_modal.plane, on_modal.run, LIMITS, begun_elsewhere=("not-come",))
    alone.sandboxes.begin(RUN, "not-come")
    await until(lambda: f"{RUN}-not-come" in on_modal.names())


async def test_what_was_begun_for_a_run_that_others_ended_is_ended(on_modal: ModalRun) -> None:
    asked: list[str] = []

    async def is_wanted(run_id: str) -> bool:
        asked.append(run_id)
        return False

    seen = on_modal.plane.faults.seen["SandboxCreateV2"]
    api = on_plane(on_modal.plane, on_modal.run, LIMITS, is_wanted=is_wanted)
    api.sandboxes.begin("run-4", "plan")
    await until(lambda: bool(asked))
    await until(lambda: "run-4-plan" not in on_modal.names())
    assert on_modal.plane.faults.seen["SandboxCreateV2"] == seen + 1
    assert asked == ["run-4"]


async def test_what_was_begun_is_ended_where_its_tree_is_given_up(on_modal: ModalRun) -> None:
    faults, name = on_modal.plane.faults, "run-3-late"
    before = faults.seen["SandboxCreateV2"]
    faults.delay("SandboxCreateV2", 1)
    on_modal.sandboxes.begin("run-3", "late")
    spec = TreeSpec("late", on_modal.run.base)
    opening = asyncio.create_task(on_modal.sandboxes.open("run-3", spec))
    await until(lambda: faults.seen["SandboxCreateV2"] > before)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await on_modal.sandboxes.close_run("run-3")
    made = [known for known in on_modal.plane.sandboxes.by_id.values() if known.name == name]
    assert [known.result is None for known in made] == [False]
    on_modal.plane.faults.clear()


async def test_making_a_tree_that_is_given_up_ends_its_sandbox(on_modal: ModalRun) -> None:
    on_modal.plane.faults.delay("SandboxTagsSetV2", 1)
    making = asyncio.create_task(on_modal.run.open("given-up"))
    while f"{RUN}-given-up" not in on_modal.names():  # noqa: ASYNC110 - the plane tells no one
        await asyncio.sleep(0.05)
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    assert f"{RUN}-given-up" not in on_modal.names()
    on_modal.plane.faults.clear()


async def test_work_is_saved_and_restored_after_a_loss(on_modal: ModalRun) -> None:
    saved = SavedInMemory()
    tree = await on_modal.sandboxes.open(RUN, TreeSpec("lost", on_modal.run.base, saved=saved))
    await tree.write("work.txt", b"done\n")
    await asyncio.wait_for(saved.saved.wait(), 30)
    running = asyncio.create_task(tree.run("sleep 20"))
    await asyncio.sleep(0.5)
    await on_modal.plane.sandboxes.lose(f"{RUN}-lost")
    result = await running
    assert (result.exit_code, result.limit, result.lost) == (None, None, True)
    assert "The sandbox was lost. Its tree was made again as it was at" in result.text
    assert await said(tree, "cat work.txt; git status --porcelain") == "done\nA  work.txt"
    assert saved.told[0] == "Its tree was made again from the base."
    assert "s ago" in saved.told[1]
    again = await on_modal.sandboxes.open(RUN, TreeSpec("lost", on_modal.run.base, saved=saved))
    await again.close()
    first, remade, found = saved.sandboxes
    assert first != remade == found
    assert len(saved.told) == 2


async def test_what_was_not_saved_is_told_as_lost(on_modal: ModalRun) -> None:
    change = await on_modal.run.make_change("echo asked > asked.txt", step=3)
    tree = await on_modal.run.open("unsaved", change)
    await tree.write("work.txt", b"done\n")
    await on_modal.plane.sandboxes.lose(f"{RUN}-unsaved")
    with pytest.raises(FileAccessError, match="as it was when you were asked"):
        await tree.read("work.txt")
    assert await said(tree, "cat asked.txt; test -e work.txt || echo gone") == "asked\ngone"
    await on_modal.plane.sandboxes.lose(f"{RUN}-unsaved")
    assert await on_modal.run.take(tree) == on_modal.run.folder.patch(change).read_bytes()


async def test_where_modal_has_none_to_give_it_is_waited_for(on_modal: ModalRun) -> None:
    plane = on_modal.plane
    plane.faults.fail("SandboxCreateV2", Status.RESOURCE_EXHAUSTED, times=1)
    heard: list[Event] = []
    waited = TreeSpec("waited", on_modal.run.base, emit=heard.append)
    assert await said(await on_modal.sandboxes.open(RUN, waited), "cat hello.txt") == "hello"
    (retry,) = heard
    assert isinstance(retry, Retry)
    assert (retry.what, retry.attempt, retry.wait_ms) == ("sandbox", 2, 100)
    assert "no Sandbox left to give" in retry.reason
    plane.sandboxes.most = 0
    with pytest.raises(SandboxUnavailable, match="no Sandbox left"):
        await on_modal.run.open("never")
    plane.sandboxes.most = 100


SET_UP = ("echo made >> made; echo home > ~/mine; echo changed >> hello.txt",)


async def test_a_set_up_is_run_once_and_trees_begin_with_what_it_left(on_modal: ModalRun) -> None:
    run, plane = on_modal.run, on_modal.plane
    first = await run.open("set-up-1", None, *SET_UP)
    assert await said(first, "cat made ~/mine hello.txt; git status -s") == "made\nhome\nhello"
    other = on_plane(plane, run, LIMITS)
    second = await other.run.open("set-up-2", None, *SET_UP)
    assert await said(second, "cat made ~/mine hello.txt; git status -s") == "made\nhome\nhello"
    assert len(plane.images.snapshots) == 1
    assert not [name for name in on_modal.names() if "-setup-" in name]


async def test_a_change_to_what_set_up_may_read_has_one_of_its_own(on_modal: ModalRun) -> None:
    before = len(on_modal.plane.images.snapshots)
    change = await on_modal.run.make_change("echo new > new; echo more >> hello.txt", step=5)
    tree = await on_modal.run.open("set-up-3", change, *SET_UP)
    assert await said(tree, "cat made new hello.txt") == "made\nnew\nhello\nmore"
    assert on_modal.run.folder.patch(change).read_bytes() == await on_modal.run.take(tree)
    assert len(on_modal.plane.images.snapshots) == before + 1


async def test_a_set_up_reaches_the_named_hosts_alone_and_its_tree_none(
    on_modal: ModalRun,
) -> None:
    other = on_plane(
        on_modal.plane, on_modal.run, LIMITS, setup_hosts=("index.example", "a.b:8443")
    )
    tree = await other.run.open("set-up-4", None, "echo with hosts > made")
    assert await said(tree, "cat made") == "with hosts"
    known = list(on_modal.plane.sandboxes.by_id.values())
    assert [one.allowed_domains for one in known if "-setup-" in one.name][-1] == [
        "index.example",
        "a.b",
    ]
    assert on_modal.plane.sandboxes.named(f"{RUN}-set-up-4").blocked
    with pytest.raises(SetupFailed) as failed:
        await other.run.open("set-up-5", None, "exit 7")
    assert "CODING_AGENT_SETUP_HOSTS alone" in failed.value.hint


async def test_the_tree_of_a_set_up_turn_reaches_the_named_hosts(on_modal: ModalRun) -> None:
    other = on_plane(on_modal.plane, on_modal.run, LIMITS, setup_hosts=("index.example",))
    spec = TreeSpec("setup-turn", other.run.base, reaches_hosts=True)
    tree = await other.run.sandboxes.open(RUN, spec)
    assert await said(tree, "cat hello.txt; echo ${UV_OFFLINE:-online}") == "hello\nonline"
    sandbox = on_modal.plane.sandboxes.named(f"{RUN}-setup-turn")
    assert (sandbox.blocked, sandbox.allowed_domains) == (False, ["index.example"])


@needs("pip")
async def test_for_auto_the_images_package_managers_are_asked_once(
    on_modal: ModalRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://of-this-machine.invalid/simple")
    plane, named = on_modal.plane, ("auto", "a.b")
    first = on_plane(plane, on_modal.run, LIMITS, setup_hosts=named)
    tree = await first.run.open("set-up-auto", None, "echo auto > made")
    asked = await resolve_in_image(tree, named)
    assert len(asked.hosts) > 1
    second = on_plane(plane, on_modal.run, LIMITS, setup_hosts=named)
    await second.run.open("set-up-auto-2", None, "echo auto again > made")
    known = plane.sandboxes.by_id.values()
    reached = [one.allowed_domains for one in known if "-setup-" in one.name][-2:]
    assert reached == [[SetupHost.parse(host).name for host in asked.hosts]] * 2
    assert "of-this-machine.invalid" not in reached[0]
    (asking,) = (one for one in known if one.name.startswith("ask-"))
    assert asking.blocked
    assert asking.ended.is_set()


async def test_forgetting_removes_what_set_ups_left(on_modal: ModalRun) -> None:
    images, options = on_modal.plane.images, on_modal.backend.options
    await on_modal.run.open("forget-1", None, "echo kept > made")
    before = len(images.snapshots)
    assert before
    assert not await forget_set_ups(options, "ada/other")
    assert len(images.snapshots) == before
    assert await forget_set_ups(options, repo_of(on_modal.run.base))
    assert not images.snapshots
    tree = await on_modal.run.open("forget-2", None, "echo kept > made")
    assert await said(tree, "cat made") == "kept"
    assert len(images.snapshots) == 1


async def test_an_image_that_expired_is_made_again(on_modal: ModalRun) -> None:
    images = on_modal.plane.images
    await on_modal.run.open("set-up-6", None, "echo 6 > made")
    for image in list(images.snapshots):
        images.forget(image)
    tree = await on_modal.run.open("set-up-7", None, "echo 6 > made")
    assert await said(tree, "cat made") == "6"
    assert len(images.snapshots) == 1


async def test_every_sandbox_of_a_run_ends_with_it(on_modal: ModalRun) -> None:
    other = on_plane(on_modal.plane, on_modal.run, LIMITS)
    await other.backend.client.make("run2-live", {TAG_STATE: "ready", "run": "run2"})
    await on_modal.run.open("left")
    await other.run.sandboxes.close_run(RUN, keep=("live",))
    assert on_modal.names() == ["run2-live"]


async def test_a_run_that_can_be_resumed_may_leave_its_live_tree(on_modal: ModalRun) -> None:
    """As it is, with nothing at work in it, for so long after it was left; no other tree."""
    keeping = on_plane(on_modal.plane, on_modal.run, LIMITS, keeps_live=True)
    live = await keeping.run.open("live")
    await said(live, "echo edited >> hello.txt; setsid sleep 97 >/dev/null 2>&1 & echo begun")
    await keeping.run.open("left")
    (container,) = await keeping.backend.client.tagged({"run": RUN, "tree": "live"})
    await keeping.run.sandboxes.close_run(RUN, keep=("live", "live-1"))
    assert [name for name in on_modal.names() if name.startswith(RUN)] == [f"{RUN}-live"]
    await container.mark({**await container.tags(), TAG_CREATED: "100"})
    assert await keeping.sandboxes.end_orphans((), older_than_s=600) == []
    other = on_plane(on_modal.plane, on_modal.run, LIMITS, keeps_live=True)
    again = await other.run.open("live")
    assert (
        await said(again, "cat hello.txt; pgrep -xf 'sleep 97' || echo none")
        == "hello\nedited\nnone"
    )
    await container.mark({**await container.tags(), _TAG_KEPT: "200"})
    assert await other.sandboxes.end_orphans({RUN}, older_than_s=600) == []
    assert await other.sandboxes.end_orphans((), older_than_s=600) == [RUN]
    await other.run.open("live")
    await other.run.sandboxes.close_run(RUN)
    assert not [name for name in on_modal.names() if name.startswith(RUN)]


async def test_a_live_tree_that_would_end_under_a_resumed_run_is_not_left(
    on_modal: ModalRun,
) -> None:
    keeping = on_plane(on_modal.plane, on_modal.run, LIMITS, keeps_live=True)
    await keeping.run.open("live")
    (container,) = await keeping.backend.client.tagged({"run": RUN, "tree": "live"})
    for age_s, left in ((1700, [f"{RUN}-live"]), (1900, [])):
        await container.mark({**await container.tags(), TAG_CREATED: str(int(time.time()) - age_s)})
        await keeping.sandboxes.close_run(RUN, keep=("live",))
        assert [name for name in on_modal.names() if name.startswith(RUN)] == left


async def test_a_live_tree_that_is_not_ready_or_does_not_answer_is_not_left(
    on_modal: ModalRun,
) -> None:
    keeping = on_plane(on_modal.plane, on_modal.run, LIMITS, keeps_live=True)
    tags = {"run": "run3", "tree": "live"}
    await keeping.backend.client.make("run3-live", {**tags, TAG_STATE: "making"})
    await keeping.sandboxes.close_run("run3", keep=("live",))
    assert "run3-live" not in on_modal.names()
    await keeping.backend.client.make("run3-live", {**tags, TAG_STATE: "ready"})
    on_modal.plane.faults.fail("TaskExecStart", Status.NOT_FOUND)
    await keeping.sandboxes.close_run("run3", keep=("live",))
    assert "run3-live" not in on_modal.names()


async def test_what_runs_left_behind_is_ended(on_modal: ModalRun) -> None:
    other = on_plane(on_modal.plane, on_modal.run, LIMITS)
    for name, run, made in (("a-live", "a", 100), ("b-live", "b", 100), ("c-live", "c", 9e9)):
        await other.backend.client.make(
            name, {TAG_STATE: "ready", "run": run, "made": str(int(made))}
        )
    await other.backend.client.make("not-ours", {"team": "others"})
    before = set(on_modal.names())
    assert await other.sandboxes.end_orphans({"a"}, older_than_s=600) == ["b"]
    assert before - set(on_modal.names()) == {"b-live"}


async def test_a_sandbox_is_tried_from_within(on_modal: ModalRun) -> None:
    """Where this is not root's, the plane's containers know of one user: commands are root in them.

    For root the kernel does not count processes, and who does can be late on a busy machine.
    """
    found = {result.name: result for result in await try_modal(on_modal.backend)}
    not_held = {name for name, result in found.items() if not result.held}
    as_root = set() if AS_ROOT else {"root", "capabilities", "supervisor", "base"}
    assert as_root <= not_held <= {*as_root, "sysctl", "forks"}, found
    assert found["network"].detail == "reaching the network was refused"
    assert not [name for name in on_modal.names() if name.startswith("doctor-")]


async def test_where_none_can_be_made_the_trial_says_so(on_modal: ModalRun) -> None:
    on_modal.plane.sandboxes.most = 0
    named = on_plane(on_modal.plane, on_modal.run, LIMITS, ("index.example",))
    (found,) = await try_modal(named.backend)
    on_modal.plane.sandboxes.most = 100
    assert (found.name, found.held) == ("start", False)
    assert "raise the workspace's limits" in found.fix
