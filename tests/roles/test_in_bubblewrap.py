"""The roles in the real sandbox."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from graph import RetryPolicy
from graph.environment_record import EnvironmentRecord, repo_of
from graph.errors import PatchUnusable
from graph.files import load_change
from graph.files.run_folder import RunFolder
from graph.values import Base, Finding
from roles.briefing.repository_overview import describe_repository
from roles.coder import ClaudeCoder
from roles.finding_locations import validate_locations
from roles.fixer import ClaudeFixer
from roles.planner import ClaudePlanner
from roles.reviewer import ClaudeReviewer
from roles.tools.text_editor import EditorTool
from roles.worktree.tree_digest import tree_digest
from sandbox.backends.base.backend import BackendOptions
from sandbox.backends.bubblewrap.backend import Bubblewrap
from sandbox.core.protocol import Limits, Sandboxes, TreeSpec
from sandbox.environments.records import LocalEnvironmentRecords
from sandbox.trees.local_trees import LocalSandboxes
from tests.standins.claude import ScriptedReply, answer, calls, tool_use
from tests.standins.directory_sandbox import make_run
from tests.support.graph.environments import environment_of
from tests.support.roles.role_bench import (
    FILES,
    MODEL,
    RUN,
    Ears,
    Serve,
    make_task,
    results,
)
from tests.support.sandbox.local_tree import missing

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]


@pytest.fixture(autouse=True)
def _needs_namespaces() -> None:
    if reason := missing():
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture
def runs(data_dir: Path) -> Path:
    return data_dir / "runs"


@pytest.fixture
def base(runs: Path) -> Base:
    runs.mkdir(mode=0o711)
    return make_run(runs, RUN, FILES)


@pytest.fixture
def sandboxes(runs: Path, data_dir: Path) -> Sandboxes:
    backend = Bubblewrap(
        BackendOptions(limits=Limits(timeout_s=20, memory_mb=512), state=data_dir / "state")
    )
    return LocalSandboxes(runs=runs, backend=backend)


def edit(**arguments: Any) -> ScriptedReply:
    return ScriptedReply((tool_use("str_replace_based_edit_tool", arguments),))


async def test_coder_then_reviewer(
    serve: Serve,
    sandboxes: Sandboxes,
    runs: Path,
    base: Base,
    ears: Ears,
    retry_policy: RetryPolicy,
) -> None:
    replies = [
        calls("cat calc.py", "ls -la", "id -u"),
        edit(command="view", path="/workspace"),
        edit(command="str_replace", path="calc.py", old_str="a - b", new_str="a + b"),
        edit(command="create", path="tests/test_calc.py", file_text="import calc\n"),
        edit(command="view", path="calc.py"),
        calls("python3 -c 'import calc; print(calc.add(2, 3))'", "env | sort", "git diff HEAD"),
        edit(command="view", path="/etc/passwd"),
        answer(title="Let add add", summary="It subtracted."),
        calls("git diff HEAD --stat", "cat calc.py"),
        answer(verdict="approve", summary="It adds.", findings=[]),
    ]
    cast: dict[str, Any] = {"sandboxes": sandboxes, "runs": runs, "model": MODEL}
    async with serve(*replies) as (server, claude):
        coder = ClaudeCoder(claude=claude, retry_policy=retry_policy, **cast)
        coded = await coder(make_task(base), ears)
        assert coded.change
        reviewer = ClaudeReviewer(claude=claude, retry_policy=retry_policy, **cast)
        task = make_task(base, "reviewer", step=2, change=coded.change)
        reviewed = await reviewer(task, ears)
    await sandboxes.close_run(RUN)
    assert b"+++ b/tests/test_calc.py" in load_change(RunFolder.of(runs, RUN), coded.change)
    assert reviewed.review
    assert results(server, 1)[2]["content"] != "0"
    assert results(server, 2)[0]["content"].split("\n") == ["README.md", "calc.py"]
    assert "a + b" in results(server, 5)[0]["content"]
    assert results(server, 6)[0]["content"] == "5"
    assert "ANTHROPIC" not in results(server, 6)[1]["content"]
    assert results(server, 7)[0]["is_error"] is True
    assert "tests/test_calc.py" in results(server, 9)[0]["content"]
    assert not (runs / RUN / "trees" / "review-2").exists()


async def test_links_lead_to_more_sandbox(
    serve: Serve,
    sandboxes: Sandboxes,
    runs: Path,
    base: Base,
    ears: Ears,
    retry_policy: RetryPolicy,
) -> None:
    secret = runs / "secret"
    secret.write_text("not yours")
    replies = [
        calls(f"ln -s {secret} link; ln -s / root; mkfifo pipe"),
        edit(command="view", path="link"),
        edit(command="view", path=f"root{secret}"),
        edit(command="view", path="pipe"),
        edit(command="create", path="link", file_text="mine"),
        answer(title="", summary=""),
    ]
    async with serve(*replies) as (server, claude):
        coder = ClaudeCoder(
            claude=claude, sandboxes=sandboxes, runs=runs, model=MODEL, retry_policy=retry_policy
        )
        await coder(make_task(base), ears)
    await sandboxes.close_run(RUN)
    assert secret.read_text() == "not yours"
    for request in (2, 3, 4):
        assert results(server, request)[0]["is_error"] is True


async def test_looks_work_inside(sandboxes: Sandboxes, runs: Path, base: Base) -> None:
    sandbox = await sandboxes.open(RUN, TreeSpec(name="live", base=base))
    told = await describe_repository(sandbox, "Let `add` really add.")
    assert "<files>\nREADME.md, calc.py\n</files>" in told
    assert "calc.py:1:def add(a, b):" in told
    before = await tree_digest(sandbox)
    await sandbox.write("/workspace/new.py", b"1\n2\n")
    assert "" != before != await tree_digest(sandbox) != ""
    finding = Finding(severity="error", path="new.py", line=3, message="x")
    kept, moved = await validate_locations(
        [finding.model_copy(update={"line": 2}), finding], (), sandbox
    )
    assert (kept.path, kept.line, moved.line) == ("new.py", 2, None)
    await sandbox.close()


ODD = """\
mkfifo pipe; ln -s /dev/zero zero; ln -s /dev/full full; truncate -s 1500M sparse; mkdir folder
head -c 3M /dev/zero | tr '\\0' x > huge; ln -s loop loop; ln -s nowhere broken; ln -s / root
echo x > closed; chmod 0 closed; echo x > frozen; chmod 444 frozen; ln -s /proc/1/mem memory
perl -e 'my $s; socket($s, 1, 1, 0); bind($s, pack("S a*", 1, "socket"))'
"""
EDITS: dict[str, dict[str, Any]] = {
    "view": {},
    "create": {"file_text": "x"},
    "str_replace": {"old_str": "x", "new_str": "y"},
    "insert": {"insert_line": 0, "insert_text": "x"},
}


async def test_whatever_lies_at_a_path_the_editor_says_so_at_once(
    sandboxes: Sandboxes, base: Base
) -> None:
    sandbox = await sandboxes.open(RUN, TreeSpec(name="live", base=base))
    assert (await sandbox.run(ODD)).exit_code == 0
    editor = EditorTool(sandbox)
    odd = {
        "view": "pipe zero full sparse huge loop broken closed memory socket root/proc/kmsg",
        "create": "pipe full folder loop frozen socket root/usr/x root/etc/passwd README.md/x",
        "str_replace": "pipe zero sparse huge folder loop broken closed frozen socket memory",
        "insert": "pipe zero sparse huge folder loop broken closed frozen socket memory",
    }
    outside = ("/etc/passwd", "../../etc/passwd", "folder/../../x", "a\0b", "a" * 300, "a/" * 3000)
    for command, paths in odd.items():
        for path in (*paths.split(), *outside):
            started = time.monotonic()
            asked = {"command": command, "path": path, **EDITS[command]}
            result = await editor.call(asked, 60)
            assert result.is_error, (command, path, result.content)
            assert 5 < len(result.content) < 1000, (command, path, result.content)
            assert time.monotonic() - started < 55, (command, path)  # not ended by its 60 s
    await sandbox.close()


async def test_a_role_hears_what_of_its_tree_is_not_in_the_change(
    serve: Serve, runs: Path, base: Base, sandboxes: Sandboxes, ears: Ears
) -> None:
    make = "mkdir lib v; git init -q lib; echo x > lib/x; echo y > y; touch v/pyvenv.cfg"
    script = (
        calls(f"{make}; echo '*.env' > .gitignore; touch made.env"),
        calls("mkdir d && cd d && cat > by-shell.env <<'END'\nB=1 > c.env\nEND"),
        edit(command="create", path="own.env", file_text="A=1\n"),
        answer(title="Add lib", summary="Adds lib/x and y."),
        calls("rm -rf lib/.git"),
        answer(title="Add lib", summary="Adds lib/x and y, as files."),
        calls("echo 2 > y"),
        answer(title="Mend y", summary="Mends y."),
        answer(title="Mend y", summary="Mends y."),
    )
    async with serve(*script) as (server, claude):
        cast: dict[str, Any] = {"sandboxes": sandboxes, "runs": runs, "model": MODEL}
        result = await ClaudeCoder(claude=claude, **cast)(make_task(base), ears)
        task = make_task(base, "fixer", step=2, change=result.change)
        mended = await ClaudeFixer(claude=claude, **cast)(task, ears)
    heard = str(server.requests[4]["messages"][-1])
    assert "`lib/` (a git repository of its own)" in heard
    assert "`own.env` (a pattern of git ignores it)" in heard
    assert "`d/by-shell.env` (a pattern of git ignores it)" in heard
    assert "made.env" not in heard
    assert "`v/` (made by a tool" in heard
    assert result.change
    patch = load_change(RunFolder.of(runs, RUN), result.change)
    assert b"+++ b/lib/x" in patch
    assert b"v/pyvenv.cfg" not in patch
    assert result.summary.startswith("Adds lib/x and y, as files.")
    assert result.summary.endswith(
        "not part of the change: `v/` (made by a tool, such as a package manager or a compiler), "
        "`d/by-shell.env` (a pattern of git ignores it), `own.env` (a pattern of git ignores it)."
    )
    assert "`d/by-shell.env` (a pattern of git ignores it)" in mended.summary


@pytest.mark.parametrize("mends", [True, False])
async def test_a_role_hears_that_its_change_cannot_be_taken(
    serve: Serve, runs: Path, base: Base, sandboxes: Sandboxes, ears: Ears, *, mends: bool
) -> None:
    name = next(iter(FILES))
    script = (
        calls(f"echo x > new; rm {name}; mkfifo {name}"),
        answer(title="Add it", summary="Adds new."),
        calls(f"rm {name}; git checkout -q {name}" if mends else "true"),
        answer(title="Add it", summary="Adds new."),
    )
    async with serve(*script) as (server, claude):
        coder = ClaudeCoder(claude=claude, sandboxes=sandboxes, runs=runs, model=MODEL)
        if not mends:
            with pytest.raises(PatchUnusable, match=name):
                await coder(make_task(base), ears)
            return
        result = await coder(make_task(base), ears)
    heard = str(server.requests[2]["messages"][-1])
    assert "cannot be taken out of your tree" in heard
    assert name in heard
    assert result.change
    assert b"+++ b/new" in load_change(RunFolder.of(runs, RUN), result.change)


READY = environment_of(
    [
        "mkdir -p ~/venvs/a/bin; printf '#!/bin/sh\\necho mine\\n' > ~/venvs/a/bin/tool",
        "chmod +x ~/venvs/a/bin/tool",
    ]
)
READY = READY.model_copy(
    update={"paths": {"": ("/home/agent/venvs/a/bin",)}, "tools": {"tool": "7.1"}}
)
TOOL = "tool 2>/dev/null || echo none"
PLANNED = answer(route="none", summary="Done.")


async def test_the_planner_has_what_is_ready_when_it_begins(
    serve: Serve,
    sandboxes: Sandboxes,
    runs: Path,
    base: Base,
    ears: Ears,
    retry_policy: RetryPolicy,
) -> None:
    async with serve(calls(TOOL), PLANNED) as (server, claude):
        planner = ClaudePlanner(
            claude=claude, sandboxes=sandboxes, runs=runs, model=MODEL, retry_policy=retry_policy
        )
        await planner(make_task(base, "planner", environment=READY), ears)
    assert results(server, 1)[0]["content"] == "mine"
    assert "Installed: tool 7.1." in str(server.requests[0]["messages"][0])
    assert list((runs / RUN / "trees").iterdir()) == []


async def test_the_planner_waits_for_nothing_and_has_what_becomes_ready(
    serve: Serve,
    sandboxes: Sandboxes,
    runs: Path,
    base: Base,
    ears: Ears,
    retry_policy: RetryPolicy,
    data_dir: Path,
) -> None:
    records = LocalEnvironmentRecords(data_dir / "environments", kept=())
    record = EnvironmentRecord(
        repo=repo_of(base), sha=base.sha, run_id="another", made_at=0, environment=READY
    )
    await records.put(record)  # of another run

    class Late(LocalEnvironmentRecords):
        """Remembers the run's own from the second question on."""

        asked = 0

        async def get(self, repo: str) -> EnvironmentRecord | None:
            if self.asked:
                await self.put(record.model_copy(update={"run_id": RUN}))
            self.asked += 1
            return await super().get(repo)

    # The tree is opened while the second call runs, and there for one of the next.
    waits = [calls(f"{TOOL}; sleep 1.{number}") for number in range(8)]
    async with serve(*waits, PLANNED) as (server, claude):
        planner = ClaudePlanner(
            claude=claude,
            sandboxes=sandboxes,
            runs=runs,
            model=MODEL,
            retry_policy=retry_policy,
            records=Late(data_dir / "environments", kept=()),
        )
        await planner(make_task(base, "planner"), ears)
    said = [results(server, number)[0]["content"] for number in range(1, 9)]
    assert said == sorted(said, reverse=True)
    assert (said[0], said[-1]) == ("none", "mine")
    assert list((runs / RUN / "trees").iterdir()) == []
