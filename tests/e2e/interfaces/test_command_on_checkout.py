"""`coding-agent run` on a checkout of this machine, and the commands that look at the run after."""

import asyncio
import json
import shlex
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.interfaces.dirty_checkout import added, make_checkout, snapshot
from tests.standins.claude import Held, Silence
from tests.support.command.command_process import Ended, command, started, terminal
from tests.support.command.warm_command import WarmCommand
from tests.support.trusted_side import git
from tests.support.whole_runs.claude_script import (
    BREAK,
    MORNING,
    Script,
    done,
    nothing,
    shell,
    small_change,
)
from tests.support.whole_runs.hosted_repository import GREETER, make_repository, read_tree
from tests.support.whole_runs.leftovers import Leftovers
from tests.support.whole_runs.server_process import environment_of
from tests.support.whole_runs.world import World

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home() -> AsyncIterator["Home"]:
    """A user's home, with Claude but without GitHub."""
    async with World.open() as world:
        yield Home(world)


class Home:
    def __init__(self, world: World) -> None:
        self.world = world
        self.folder = world.folder
        self.env = environment_of(world)
        del self.env["GITHUB_TOKEN"], self.env["GITHUB_API_URL"]

    def checkout(self, name: str) -> Path:
        return make_repository(self.folder / name, GREETER)

    async def run(self, prompt: str, repo: Path, script: Script, *options: str) -> Ended:
        self.world.cast.learn(prompt, script)
        return await self.call("run", prompt, "--repo", str(repo), *options)

    async def call(self, *words: str) -> Ended:
        return await command(*words, home=self.folder, env=self.env)


def events_of(ended: Ended) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ended.out.splitlines()]


@pytest.mark.slow
async def test_a_checkout_in_the_middle_of_work_stays_as_it_is(home: Home) -> None:
    marker = home.folder / "trapped"
    repo = await asyncio.to_thread(make_checkout, home.folder / "mine", marker)
    before, refs = snapshot(repo), git(repo, "for-each-ref")
    ended = await home.run("Greet in my checkout.", repo, small_change(), "--json")
    assert ended.code == 0, ended.err
    assert "Uncommitted changes of the checkout are not included." in ended.out
    assert not marker.exists(), marker.read_text()
    events = events_of(ended)
    branch = events[-1]["branch"]
    assert added(before, snapshot(repo)) == {f".git/refs/heads/{branch}", ".git/refs/heads/agent"}
    (new,) = set(git(repo, "for-each-ref").splitlines()) - set(refs.splitlines())
    assert new.endswith(f"\trefs/heads/{branch}".encode())
    check_branch(repo, branch, Path(events[-1]["patch"]), home.folder / "clean")
    git(repo, "status")
    assert marker.exists(), "the traps bite whoever is not careful"
    await check_events(home, events)
    await check_commands(home, events)


def check_branch(repo: Path, branch: str, patch: Path, clean: Path) -> None:
    """The branch is the base with the change, and the patch makes the same of the base."""
    morning = GREETER["greet.py"].replace("Hello", "Good morning").encode()
    base = read_tree(repo / ".git", "HEAD")
    assert read_tree(repo / ".git", branch) == {**base, b"greet.py": ("100644", morning)}
    told = git(repo, "show", "--no-patch", "--format=%an <%ae> %cn%n%P", branch).decode()
    head = git(repo, "rev-parse", "HEAD").decode().strip()
    assert told.splitlines() == ["Grace <grace@example.org> Grace", head]
    git(repo.parent, "clone", "-q", str(repo), str(clean))
    git(clean, "apply", "--index", "-", stdin=patch.read_bytes())
    assert git(clean, "write-tree") == git(repo, "rev-parse", f"{branch}^{{tree}}")


async def check_events(home: Home, events: list[dict[str, Any]]) -> None:
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert (events[0]["type"], events[-1]["type"]) == ("run.started", "run.finished")
    await Leftovers(home.world.data).none_of(events[0]["runId"], "succeeded")


async def check_commands(home: Home, events: list[dict[str, Any]]) -> None:
    """What looks at the run afterwards, and what removes it."""
    run_id, branch = events[0]["runId"], events[-1]["branch"]
    watched, shown, listed, diff = await asyncio.gather(
        home.call("watch", run_id, "--json"),
        home.call("show", run_id),
        home.call("runs"),
        home.call("diff", run_id),
    )
    assert (watched.code, events_of(watched)) == (0, events)
    assert [ended.code for ended in (shown, listed, diff)] == [0, 0, 0]
    for text in (run_id, branch, "Greet as asked.", "Greet in my checkout."):
        assert text in shown.out
    assert run_id in listed.out
    assert "succeeded" in listed.out
    assert "+    return f'Good morning {name}'" in diff.out
    removed = await home.call("rm", run_id)
    assert (removed.code, removed.out) == (0, f"Removed run {run_id}.\n")
    assert not (home.world.data / "runs" / run_id).exists()


@pytest.mark.slow
async def test_uncommitted_work_is_the_branchs_first_commit_where_asked(home: Home) -> None:
    repo, prompt = home.checkout("included"), "Greet on top of my work."
    (repo / "notes.txt").write_text("mine\n")
    git(repo, "add", "notes.txt")
    (repo / "untracked.txt").write_text("untracked\n")
    before = snapshot(repo)
    ended = await home.run(prompt, repo, small_change(), "--include-uncommitted")
    assert ended.code == 0, ended.out + ended.err
    assert "they are the branch's first commit" in ended.out
    (new, *_) = git(repo, "branch", "--list", "--format=%(refname:short)", "agent/*").split()
    branch = new.decode()
    assert added(before, snapshot(repo)) == {f".git/refs/heads/{branch}", ".git/refs/heads/agent"}
    subjects = git(repo, "log", "--format=%s", f"HEAD..{branch}").decode().splitlines()
    assert subjects[1:] == ["Uncommitted changes of the checkout"]
    files = set(read_tree(repo / ".git", branch))
    assert files == {*read_tree(repo / ".git", "HEAD"), b"notes.txt"}
    (told,) = [line for line in ended.out.splitlines() if "git -C" in line]
    apply = shlex.split(told[told.index("git -C") :])
    assert apply[:4] == ["git", "-C", str(repo), "apply"]
    git(repo, *apply[3:])
    for path, (_, content) in read_tree(repo / ".git", branch).items():
        assert (repo / path.decode()).read_bytes() == content


@pytest.mark.slow
async def test_nothing_to_do_is_3(home: Home) -> None:
    repo = home.checkout("nothing")
    script: Script = {"planner": [nothing("It greets already.")]}
    limits = ("--max-cost", "9", "--timeout", "7200")  # above the settings: the caller's own
    ended = await home.run("Greet.", repo, script, "--quiet", *limits)
    assert (ended.code, ended.out) == (3, "no_changes  It greets already.\n")
    assert git(repo, "branch", "--list", "agent/*") == b""


@pytest.mark.slow
async def test_a_branch_has_the_prefix_and_the_ticket(home: Home) -> None:
    repo, prompt = home.checkout("prefixed"), "PROJ-7: greet in the morning."
    git(repo, "config", "remote.origin.url", "https://github.example/octo/sample.git")
    home.world.cast.learn(prompt, small_change())
    env = {**home.env, "CODING_AGENT_BRANCH_PREFIX": "bots/"}
    words = ("run", prompt, "--repo", str(repo))
    ended = await command(*words, home=home.folder, env=env)
    assert ended.code == 0, ended.out + ended.err
    (branch,) = (
        git(repo, "branch", "--list", "--format=%(refname:short)", "bots/*").decode().split()
    )
    assert branch.startswith("bots/PROJ-7-greet-in-the-morning-")
    for text in (f"git diff HEAD...{branch}", f"git push -u origin {branch} && gh", "change.patch"):
        assert text in ended.out, ended.out
    subject = git(repo, "log", "-1", "--format=%s", branch).decode().strip()
    assert subject == "Greet in the morning"


@pytest.mark.slow
async def test_a_branch_that_the_caller_names(home: Home) -> None:
    repo, prompt = home.checkout("named"), "Greet on a branch of mine."
    home.world.cast.learn(prompt, small_change())
    words = ("run", prompt, "--repo", str(repo), "--branch", "topic")
    refused = await command(*words, home=home.folder, env=home.env)
    assert refused.code != 0
    assert "CODING_AGENT_ANY_BRANCH" in refused.err
    env = {**home.env, "CODING_AGENT_ANY_BRANCH": "true"}
    ended = await command(*words, home=home.folder, env=env)
    assert ended.code == 0, ended.out + ended.err
    assert b"Good morning" in git(repo, "show", "topic:greet.py")
    again = await command(*words, "--json", home=home.folder, env=env)
    assert events_of(again)[-1]["error"]["code"] == "branch_exists"


@pytest.mark.slow
async def test_a_person_at_a_terminal_edits_the_plan_and_is_answered(home: Home) -> None:
    repo, prompt = home.checkout("watched-live"), "Greet while I look on."
    held = Held(shell(MORNING))
    home.world.cast.learn(prompt, small_change(coder=[held, shell("true"), done()]))
    env = {**home.env, "VISUAL": "sed -i 's/^- Change the greeting/- Change it quickly/'"}
    words = ("run", prompt, "--repo", str(repo), "--approve-plan")
    async with terminal(*words, home=home.folder, env=env) as shown:
        await shown.until("[e] edit", timeout_s=200)
        shown.type("e\n")
        async with asyncio.timeout(200):
            await held.begun.wait()
        shown.type("Keep it short, please.")
        await shown.until("> Keep it short, please.")
        shown.type("\r")
        await shown.until("queued")
        held.go_on.set()
        assert await shown.ended(timeout_s=200) == 0, shown.text
    for text in (
        "local approved the plan",
        "message 1 of local  Keep it short, please.",
        "message 1 read by the coder",
        "message 1 answered by the coder",
    ):
        assert text in shown.text
    asked = home.world.cast.asked(prompt, "coder")
    assert "Change it quickly" in str(asked[0]["messages"])
    assert "Keep it short, please." in str(asked[-1]["messages"])


async def row_of(watching: WarmCommand, status: str, **fields: str) -> dict[str, Any]:
    """The next row of `runs --watch --json` that is of a status and has these fields."""
    async with asyncio.timeout(200):
        while line := await watching.stdout.readline():
            row: dict[str, Any] = json.loads(line)
            if row["status"] == status and fields.items() <= row.items():
                return row
    raise AssertionError("nothing more was told")


@pytest.mark.slow
async def test_all_runs_are_watched_from_another_process(home: Home) -> None:
    repo, script = home.checkout("watched"), {"planner": [nothing("It greets already.")]}
    first = await home.run("Greet before.", repo, script, "--quiet")
    assert first.code == 3
    watching = await started("runs", "--watch", "--json", home=home.folder, env=home.env)
    try:
        await row_of(watching, "no_changes", prompt="Greet before.")
        running = asyncio.create_task(home.run("Greet meanwhile.", repo, script, "--quiet"))
        ended = await row_of(watching, "no_changes", prompt="Greet meanwhile.")
        assert (await running).code == 3
        await home.call("rm", ended["runId"])
        await row_of(watching, "removed", runId=ended["runId"])
    finally:
        watching.kill()
        await watching.wait()


@pytest.mark.slow
async def test_ctrl_c_is_130_and_what_is_left_after_all_is_1(home: Home) -> None:
    repo, silence, prompt = home.checkout("interrupted"), Silence(), "Greet until Ctrl-C."
    script = small_change(coder=[shell(MORNING), silence], reviewer=[])
    home.world.cast.learn(prompt, script)
    words = ("run", prompt, "--repo", str(repo), "--max-fix-rounds", "0", "--json")
    process = await started(*words, home=home.folder, env=home.env)
    await asyncio.wait_for(silence.begun.wait(), 60)
    process.send_signal(signal.SIGINT)
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 130, err
    events = [json.loads(line) for line in out.splitlines()]
    assert events[-1]["status"] == "cancelled"
    run_id = events[0]["runId"]
    await Leftovers(home.world.data, process.pid).none_of(run_id, "cancelled")
    assert f"coding-agent resume {run_id}" in err.decode()

    home.world.cast.add(prompt, {"coder": [shell(BREAK), done()]})
    resumed = await home.call("resume", run_id)
    assert resumed.code == 1, resumed.err
    assert home.world.cast.untold(prompt) == {}
    assert "test_the_name_is_in_it" in resumed.out
    branch = git(repo, "branch", "--list", "agent/*").decode().strip()
    assert branch in resumed.out
    assert "Good morning {name[1:]}" in git(repo, "show", branch).decode()
