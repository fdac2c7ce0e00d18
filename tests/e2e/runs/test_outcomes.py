"""From a request to a pull request: the ways a run can go, and what each leaves on the forge."""

import pytest

from tests.standins.github_server.repository import HostedPull
from tests.support.whole_runs.claude_script import (
    BREAK,
    MEND,
    MORNING,
    approve,
    done,
    nothing,
    object_to,
    shell,
    small_change,
    told,
)
from tests.support.whole_runs.hosted_repository import GREETER, SAID, Hosted
from tests.support.whole_runs.service_client import Run
from tests.support.whole_runs.world import World

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module")]
CHECK = "python3 -m unittest"
MORNING_FILE = GREETER["greet.py"].replace("Hello", "Good morning")
BROKEN_AT_BASE = {
    **GREETER,
    "test_old.py": "import unittest\n\n\nclass OldTest(unittest.TestCase):\n"
    "    def test_of_old(self):\n        self.fail('since long')\n",
}


def check_published(repo: Hosted, run: Run, *, draft: bool) -> HostedPull:
    """One branch, one pull request that speaks for itself; nothing word for word in it."""
    pull = repo.pull
    created = run.of("pr.created")[-1]
    assert (created["number"], created["branch"], created["draft"]) == (1, pull.head, draft)
    assert repo.branches == [pull.head] == [run.end["branch"]]
    assert run.end["prUrl"] == created["url"] == f"{repo.url}/pull/1"
    assert (pull.draft, pull.base) == (draft, "main")
    assert run.run_id in repo.told
    assert run.prompt not in pull.title + repo.told
    assert SAID not in repo.told
    assert ("**What is left**" in repo.told) == (run.end["status"] != "succeeded")
    commit = repo.git("show", "--no-patch", "--format=%an <%ae>%n%P%n%B", pull.head).decode()
    author, parent, message = commit.split("\n", 2)
    assert author == "octo-agent <583231+octo-agent@users.noreply.github.com>"
    assert parent == repo.git("rev-parse", "main").decode().strip()
    assert run.run_id not in message
    assert run.prompt not in message
    return pull


def check_unpublished(repo: Hosted, run: Run) -> None:
    assert (repo.branches, repo.pulls) == ([], [])
    assert not run.of("pr.created")
    assert "prUrl" not in run.end


async def test_success_at_first_try(world: World) -> None:
    repo = await world.host()
    run = await world.run("Let the greeting say that it is morning.", repo, small_change())
    assert run.end["status"] == "succeeded"
    assert run.nodes == [
        ("prepare", "ok"),
        ("plan", "ok"),
        ("code", "ok"),
        ("validate", "passed"),
        ("review", "approved"),
        ("publish", "ok"),
    ]
    pull = check_published(repo, run, draft=False)
    assert pull.title == "Greet in the morning"
    (command,) = run.one("validation.finished")["commands"]
    assert command["command"].startswith(CHECK)
    assert SAID in command["output"]
    assert f"`{command['command']}`: passed, exit code 0" in repo.told
    assert "Approved." in repo.told
    tree = repo.tree(pull.head)
    assert tree == {**repo.tree("main"), b"greet.py": ("100644", MORNING_FILE.encode())}
    assert "+    return f'Good morning {name}'" in (await run.diff()).decode()


async def test_a_fix_after_failing_tests(world: World) -> None:
    repo = await world.host()
    script = small_change(
        coder=[shell(MORNING, BREAK), done()],
        fixer=[shell(MEND), done("Keep the whole name", "A letter was lost.")],
    )
    run = await world.run("Greet in the morning, at first wrongly.", repo, script)
    assert run.end["status"] == "succeeded"
    assert run.nodes[3:6] == [("validate", "failed"), ("fix", "ok"), ("validate", "passed")]
    failed = run.of("validation.finished")[0]
    assert "test_the_name_is_in_it" in failed["newFailures"][0]
    assert failed["commands"][0]["exitCode"] == 1
    (asked, _) = world.cast.asked(run.prompt, "fixer")
    assert "test_the_name_is_in_it" in told(asked)
    check_published(repo, run, draft=False)
    assert repo.tree(run.end["branch"])[b"greet.py"][1].decode() == MORNING_FILE


@pytest.mark.slow
async def test_a_fix_after_review(world: World) -> None:
    repo = await world.host()
    script = small_change(
        reviewer=[object_to("The evening is not thought of."), approve()],
        fixer=[shell("sed -i 's/morning/day/' greet.py"), done()],
    )
    run = await world.run("Greet by the time of day.", repo, script)
    assert run.end["status"] == "succeeded"
    assert run.nodes[4:8] == [
        ("review", "request_changes"),
        ("fix", "ok"),
        ("validate", "passed"),
        ("review", "approved"),
    ]
    assert "The evening is not thought of." in told(world.cast.asked(run.prompt, "fixer")[0])
    pull = check_published(repo, run, draft=False)
    assert "Good day" in repo.diff(pull.head)


@pytest.mark.slow
async def test_rounds_spent_on_tests_and_then_more_rounds(world: World) -> None:
    repo = await world.host()
    script = small_change(
        coder=[shell(BREAK), done()],
        fixer=[shell("echo '# tried' >> greet.py"), done()],
        reviewer=[],
    )
    run = await world.run("Greet with less.", repo, script, maxFixRounds=1)
    assert (run.end["status"], run.end["reason"]) == ("incomplete", "fix_rounds_exhausted")
    pull = check_published(repo, run, draft=True)
    assert "Still fails" in repo.told
    assert "test_the_name_is_in_it" in repo.told
    assert "Not reviewed" in repo.told

    more = {"fixer": [shell(MEND), done()], "reviewer": [approve()]}
    await world.resume(run, more)
    assert run.end["status"] == "succeeded"
    assert run.one("pr.updated")["draft"] is False
    assert (repo.pull.draft, "What is left" in repo.told) == (False, False)
    count = repo.git("rev-list", "--count", f"main..{pull.head}").decode().strip()
    assert count == "2"


@pytest.mark.slow
async def test_rounds_spent_on_review(world: World) -> None:
    repo = await world.host()
    script = small_change(reviewer=[object_to("It says so to nobody.")])
    run = await world.run("Greet nobody.", repo, script, maxFixRounds=0)
    assert (run.end["status"], run.end["reason"]) == ("incomplete", "fix_rounds_exhausted")
    check_published(repo, run, draft=True)
    assert "Review: It says so to nobody." in repo.told
    assert "Changes requested" in repo.told


async def test_nothing_to_do(world: World) -> None:
    repo = await world.host()
    run = await world.run("Greet.", repo, {"planner": [nothing("It greets already.")]})
    assert run.end["status"] == "no_changes"
    assert run.nodes == [("prepare", "ok"), ("plan", "no_changes")]
    check_unpublished(repo, run)


async def test_nothing_changed(world: World) -> None:
    repo = await world.host()
    script = small_change(coder=[shell("touch greet.py"), done()], reviewer=[])
    run = await world.run("Greet as before.", repo, script)
    assert (run.end["status"], run.nodes[-1]) == ("no_changes", ("code", "no_changes"))
    check_unpublished(repo, run)
    assert await run.diff() == b""


@pytest.mark.slow
async def test_failures_of_the_base_are_not_blamed(world: World) -> None:
    repo = await world.host(BROKEN_AT_BASE)
    run = await world.run("Greet in spite of old failures.", repo, small_change())
    assert run.end["status"] == "succeeded"
    validation = run.one("validation.finished")
    assert (validation["status"], validation["newFailures"]) == ("passed", [])
    (known,) = validation["knownFailures"]
    assert "test_of_old" in known
    check_published(repo, run, draft=False)
    assert "Failed before this change too" in repo.told


@pytest.mark.slow
async def test_new_failures_are_found_among_those_of_the_base(world: World) -> None:
    repo = await world.host(BROKEN_AT_BASE)
    script = small_change(coder=[shell(BREAK), done()], reviewer=[])
    run = await world.run("Greet worse.", repo, script, maxFixRounds=0)
    validation = run.one("validation.finished")
    assert validation["status"] == "failed"
    assert "test_the_name_is_in_it" in validation["newFailures"][0]
    assert "test_of_old" in validation["knownFailures"][0]
    assert run.end["status"] == "incomplete"


@pytest.mark.slow
@pytest.mark.parametrize("checks", [[], ["no-such-program --all"]])
async def test_without_a_runnable_check_it_is_a_draft(world: World, checks: list[str]) -> None:
    repo = await world.host({"greet.py": GREETER["greet.py"]})
    prompt = f"Greet unchecked, by {len(checks)} checks."
    run = await world.run(prompt, repo, small_change(), validate=checks)
    assert (run.end["status"], run.end["reason"]) == ("incomplete", "not_validated")
    assert ("validate", "unavailable") in run.nodes
    check_published(repo, run, draft=True)
    assert "Not validated" in repo.told


@pytest.mark.slow
async def test_what_the_caller_asks_of_the_pull_request(world: World) -> None:
    repo = await world.host()
    run = await world.run(
        "Greet with labels.",
        repo,
        small_change(),
        title="Say good morning",
        labels=["polite"],
        reviewers=["ada"],
        draft=True,
        validate=["grep -q Good greet.py"],
        validateOnly=True,
    )
    assert run.end["status"] == "succeeded"
    pull = check_published(repo, run, draft=True)
    assert (pull.title, pull.labels, pull.reviewers) == ("Say good morning", ["polite"], ["ada"])
    (command,) = run.one("validation.finished")["commands"]
    assert command["command"] == "grep -q Good greet.py"
    assert CHECK not in repo.told


@pytest.mark.slow
async def test_set_up_commands_come_before_checks_and_are_not_in_the_change(world: World) -> None:
    repo = await world.host({".gitignore": "made/\n", **GREETER})
    run = await world.run(
        "Greet after a set-up.",
        repo,
        small_change(),
        setup=["mkdir -p made && date > made/today && echo x > left-over"],
        validate=["test -s made/today"],
    )
    assert run.end["status"] == "succeeded"
    tree = repo.tree(check_published(repo, run, draft=False).head)
    assert set(tree) == {b".gitignore", b"greet.py", b"test_greet.py"}
