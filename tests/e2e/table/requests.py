"""What is asked for, and of which repository."""

from pathlib import Path
from typing import Final

from tests.e2e.table.case import Case, Check, add_branch, failed
from tests.support.whole_runs.claude_script import (
    BREAK,
    MEND,
    MORNING,
    approve,
    done,
    nothing,
    object_to,
    plan,
    shell,
    small_change,
)
from tests.support.whole_runs.hosted_repository import GREETER, Hosted
from tests.support.whole_runs.service_client import Run

_UNTESTED: Final = {"greet.py": GREETER["greet.py"]}
_LARGE: Final = b"0123456789abcdef" * 262_144


def _to_release(run: Run, repo: Hosted) -> None:
    assert repo.pull.base == "release/1.0"
    tree = repo.tree(repo.pull.head)
    assert (b"only-here.txt" in tree, b"later.txt" in tree) == (True, False)


def _is_called(run: Run, repo: Hosted) -> None:
    asked = (repo.pull.title, repo.pull.labels, repo.pull.reviewers)
    assert asked == ("Say it", ["polite"], ["ada"])


def _is_on_topic(run: Run, repo: Hosted) -> None:
    assert (repo.pull.head, run.end["branch"]) == ("agent/topic", "agent/topic")


def _ran(*commands: str) -> Check:
    def holds(run: Run, repo: Hosted) -> None:
        told = [each["command"] for each in run.of("validation.finished")[-1]["commands"]]
        assert all(command in told for command in commands), told

    return holds


def _ran_alone(run: Run, repo: Hosted) -> None:
    (command,) = run.of("validation.finished")[-1]["commands"]
    assert command["command"] == "grep -q Good greet.py"


def _base_is_kept(run: Run, repo: Hosted) -> None:
    tree, before = repo.tree(repo.pull.head), repo.tree("main")
    assert {name for name in tree if tree[name] != before.get(name)} == {b"greet.py"}
    assert len(tree) == len(before)


def _fixed(run: Run, repo: Hosted) -> None:
    assert ("fix", "ok") in run.nodes


def _make_odd_files(folder: Path) -> None:
    (folder / "run.sh").write_text("true\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("greet.py")
    (folder / "dangling").symlink_to("nowhere/at all")
    (folder / "naïve 中.txt").write_text("x")


REQUESTS: Final[dict[str, Case]] = {
    "a small change": Case(holds=_base_is_kept),
    "a change of another branch": Case(
        more=add_branch("release/1.0"),
        fields={"baseBranch": "release/1.0"},
        holds=_to_release,
    ),
    "a branch of the caller's": Case(fields={"branch": "agent/topic"}, holds=_is_on_topic),
    "a change of a private repository": Case(facts={"private": True}),
    "a draft": Case(fields={"draft": True}, pull="draft"),
    "a title, labels and reviewers": Case(
        fields={"title": "Say it", "labels": ["polite"], "reviewers": ["ada"]}, holds=_is_called
    ),
    "a check beside those found": Case(
        fields={"validate": ["grep -q Good greet.py"]},
        holds=_ran("grep -q Good greet.py", "python3 -m unittest discover"),
    ),
    "a check in place of those found": Case(
        fields={"validate": ["grep -q Good greet.py"], "validateOnly": True}, holds=_ran_alone
    ),
    "a set-up that leaves files": Case(
        fields={"setup": ["echo x > left-over"], "validate": ["test -s left-over"]},
        holds=_base_is_kept,
    ),
    "a set-up that fails": failed(
        "setup_failed", fields={"setup": ["exit 3"]}, script={"planner": [plan()]}
    ),
    "a base of odd files": Case(more=_make_odd_files, holds=_base_is_kept),
    "a base with a large file": Case(bytes={"large.bin": _LARGE}, holds=_base_is_kept),
    "nothing to do": Case(
        script={"planner": [nothing("It greets.")]},
        status="no_changes",
        reason="nothing_to_do",
        pull="none",
    ),
    "nothing changed": Case(
        script=small_change(coder=[shell("touch greet.py"), done()], reviewer=[]),
        status="no_changes",
        reason="empty_change",
        pull="none",
    ),
    "failing tests": Case(
        script=small_change(
            coder=[shell(MORNING, BREAK), done()], fixer=[shell(MEND), done("Keep the name")]
        ),
        holds=_fixed,
    ),
    "failing tests and no round": Case(
        script=small_change(coder=[shell(BREAK), done()], reviewer=[]),
        fields={"maxFixRounds": 0},
        status="incomplete",
        reason="fix_rounds_exhausted",
        pull="draft",
    ),
    "an objection": Case(
        script=small_change(
            reviewer=[object_to("Think of the evening."), approve()],
            fixer=[shell("sed -i 's/morning/day/' greet.py"), done()],
        ),
        holds=_fixed,
    ),
    "an objection and no round": Case(
        script=small_change(reviewer=[object_to("It says so to nobody.")]),
        fields={"maxFixRounds": 0},
        status="incomplete",
        reason="fix_rounds_exhausted",
        pull="draft",
    ),
    "no tests": Case(files=_UNTESTED, status="incomplete", reason="not_validated", pull="draft"),
    "documents without tests": Case(
        files=_UNTESTED,
        script=small_change(coder=[shell("echo Hello >> README.md"), done()]),
    ),
    "documents and a check that is not there": Case(
        files=_UNTESTED,
        fields={"validate": ["no-such-program --all"]},
        script=small_change(coder=[shell("echo Hello >> README.md"), done()]),
        status="incomplete",
        reason="not_validated",
        pull="draft",
    ),
    "a check that is not there": Case(
        files=_UNTESTED,
        fields={"validate": ["no-such-program --all"]},
        status="incomplete",
        reason="not_validated",
        pull="draft",
    ),
    "documents beside tests": Case(
        bytes={"README.md": b"# Greet\n"},
        script=small_change(coder=[shell("echo Hello >> README.md"), done()]),
    ),
    "a workflow file": Case(
        script=small_change(
            coder=[
                shell(MORNING, "mkdir -p .github/workflows; echo x > .github/workflows/x.yml"),
                done(),
            ]
        ),
        status="blocked",
        reason="gate",
        pull="none",
    ),
    "a link out of the tree": Case(
        script=small_change(coder=[shell(MORNING, "ln -s /etc/passwd here"), done()]),
        status="blocked",
        reason="gate",
        pull="none",
    ),
    "an empty repository": failed("empty_repository", files={}),
    "an archived repository": failed("repository_archived", facts={"archived": True}),
    "a branch that is not there": failed("branch_not_found", fields={"baseBranch": "no/such"}),
    "a branch that is there": failed(
        "branch_exists", fields={"branch": "agent/there"}, more=add_branch("agent/there")
    ),
    "a token that only reads": failed("github_forbidden", facts={"push": False}),
}
