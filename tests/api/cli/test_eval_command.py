"""`coding-agent eval` on the bundled tasks: predictions, ledger, money, and what a role can see."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.standins.claude import Silence
from tests.support.command.command_process import Ended, command, started
from tests.support.trusted_side import git
from tests.support.whole_runs.claude_script import approve, done, plan, shell, told
from tests.support.whole_runs.evaluation_tasks import (
    EMPTY,
    ROUNDING,
    SOLVED_LATER,
    BundledTask,
    write_tasks,
)
from tests.support.whole_runs.server_process import environment_of
from tests.support.whole_runs.world import World

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]


class Evaluation:
    """The command in a world of its own, and its files."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.out = world.folder / "predictions.jsonl"
        self.tasks = world.folder / "tasks.jsonl"
        self._env = environment_of(world)

    def write(self, *tasks: BundledTask) -> None:
        write_tasks(self.world.folder, *tasks)
        for task in tasks:
            self.world.cast.learn(task.request, task.script)

    def words(self, *options: str) -> list[str]:
        return ["eval", str(self.tasks), "--out", str(self.out), *options]

    async def run(self, *options: str) -> Ended:
        return await command(*self.words(*options), home=self.world.folder, env=self._env)

    async def interrupted_at(self, silence: Silence, *options: str) -> tuple[int, str]:
        """Exit code and output of a command that meets Ctrl-C while Claude is silent."""
        words = self.words(*options)
        process = await started(*words, home=self.world.folder, env=self._env)
        await asyncio.wait_for(silence.begun.wait(), 60)
        process.send_signal(signal.SIGINT)
        out, _ = await process.communicate()
        return process.returncode or 0, out.decode()

    @property
    def predictions(self) -> dict[str, dict[str, Any]]:
        return lines_of(self.out)

    @property
    def ledger(self) -> dict[str, dict[str, Any]]:
        return lines_of(self.out.with_name("predictions.ledger.jsonl"))


def lines_of(file: Path) -> dict[str, dict[str, Any]]:
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert len({line["instance_id"] for line in lines}) == len(lines)
    return {line["instance_id"]: line for line in lines}


@pytest_asyncio.fixture
async def evaluation() -> AsyncIterator[Evaluation]:
    async with World.open() as world:
        yield Evaluation(world)


async def test_tasks_become_predictions_and_a_ledger(evaluation: Evaluation) -> None:
    evaluation.write(ROUNDING, EMPTY)
    ended = await evaluation.run("--max-cost", "5", "--workers", "2")
    assert ended.code == 0, ended.out + ended.err
    predicted = evaluation.predictions
    assert set(predicted) == {"bundled__rounding-1", "bundled__empty-1"}
    assert (
        "-    return sum(values) // len(values)" in predicted["bundled__rounding-1"]["model_patch"]
    )
    named = {line["model_name_or_path"] for line in predicted.values()}
    assert all(name.startswith("modal-coding-agent-") for name in named)
    line = evaluation.ledger["bundled__rounding-1"]
    assert (line["status"], line["claimed"], line["review"]) == ("succeeded", True, "approve")
    assert line["checks"]["base"] == line["checks"]["head"] == "passed"
    assert line["requests"] == sum(role["requests"] for role in line["roles"].values()) == 5
    assert set(line["roles"]) == {"planner", "coder", "reviewer"}
    assert line["cost_usd"] == pytest.approx(
        sum(role["cost_usd"] for role in line["roles"].values())
    )
    assert line["cost_usd"] > 0
    assert line["roles"]["coder"]["usage"]["output_tokens"] > 0
    assert "2 tasks, 2 claimed to be done" in ended.out


async def test_a_role_sees_neither_history_nor_hidden_tests(evaluation: Evaluation) -> None:
    look = "git log --all --oneline | wc -l; ls -a; git cat-file --batch-all-objects --batch-check"
    peeking = BundledTask(
        **{
            **ROUNDING.__dict__,
            "script": {
                "planner": [plan()],
                "coder": [shell(look), shell("sed -i 's,//,/,' stats.py"), done()],
                "reviewer": [approve()],
            },
        }
    )
    evaluation.write(peeking)
    repository = evaluation.world.folder / "rounding"
    later = git(repository, "rev-parse", "HEAD", "HEAD~1", f"HEAD:{SOLVED_LATER}").decode().split()
    ended = await evaluation.run()
    assert ended.code == 0, ended.out + ended.err
    seen = told(evaluation.world.cast.asked(peeking.request, "coder")[1])
    assert "stats.py" in seen
    assert git(repository, "rev-parse", "HEAD~2^{tree}").decode().strip() in seen
    assert SOLVED_LATER not in seen
    assert not [sha for sha in later if sha in seen]
    asked = json.dumps(evaluation.world.claude.requests)
    assert "test_half" not in asked
    assert not list((evaluation.world.data / "evaluations").glob("*/*"))


async def test_what_is_done_stays_and_what_was_interrupted_goes_on(evaluation: Evaluation) -> None:
    silence = Silence()
    started_once = {**EMPTY.script, "coder": [*EMPTY.script["coder"][:1], silence]}
    cut = BundledTask(**{**EMPTY.__dict__, "script": started_once})
    evaluation.write(ROUNDING, cut)
    code, out = await evaluation.interrupted_at(silence, "--workers", "1")
    assert code == 130, out
    first = evaluation.ledger["bundled__rounding-1"]
    refused = await evaluation.run()
    assert refused.code == 2
    assert "--resume" in refused.err
    evaluation.world.cast.add(cut.request, {"coder": EMPTY.script["coder"][1:]})
    ended = await evaluation.run("--resume")
    assert ended.code == 0, ended.out + ended.err
    assert evaluation.ledger["bundled__rounding-1"] == first
    second = evaluation.ledger["bundled__empty-1"]
    assert (second["status"], second["roles"]["planner"]["requests"]) == ("succeeded", 1)
    assert evaluation.world.cast.untold(cut.request) == {}
    assert list(evaluation.predictions) == ["bundled__rounding-1", "bundled__empty-1"]


async def test_no_task_begins_without_money(evaluation: Evaluation) -> None:
    evaluation.write(ROUNDING, EMPTY)
    ended = await evaluation.run("--max-cost", "0", "--slice", "1:")
    assert ended.code == 4, ended.out + ended.err
    assert "bundled__empty-1 not run: the money is spent" in ended.out
    assert evaluation.ledger == {}


async def test_a_wrong_change_that_was_claimed_is_told(evaluation: Evaluation) -> None:
    evaluation.write(ROUNDING, EMPTY)
    assert (await evaluation.run()).code == 0
    page = evaluation.world.folder / "report.html"
    ended = await evaluation.run("--grade", "--report", str(page))
    assert ended.code == 0, ended.out + ended.err
    grades = json.loads(evaluation.out.with_name("predictions.grades.json").read_text())
    assert grades["resolved_ids"] == ["bundled__rounding-1"]
    assert grades["unresolved_ids"] == ["bundled__empty-1"]
    assert "1 of 2 resolved" in ended.out
    for text in (page.read_text(), page.with_suffix(".md").read_text()):
        assert "claimed but wrong" in text
        assert "1 of 2 (50%)" in text


@pytest.mark.parametrize("others", [0, 60])
async def test_a_test_that_fails_on_the_base_too_must_pass(
    evaluation: Evaluation, others: int
) -> None:
    """Also where so many others fail that a run's record does not name it."""
    known = "# as reported\n"
    names = ("test_half (test_stats.MeanTest)", "test_half (test_stats.MeanTest.test_half)")
    hidden = ROUNDING.hidden["test_stats.py"]
    for number in range(others):
        hidden += f"\n    def test_a{number}(self):\n        self.fail()\n"
    task = replace(
        ROUNDING,
        files={**ROUNDING.files, "test_stats.py": hidden},
        hidden={"test_stats.py": hidden + known},
        fail_to_pass=names,
    )
    write_tasks(evaluation.world.folder, task, replace(task, name="left"))
    patches = {name: line["patch"] for name, line in lines_of(evaluation.tasks).items()}
    patches["bundled__left-1"] = (
        "diff --git a/note.py b/note.py\nnew file mode 100644\n--- /dev/null\n+++ b/note.py\n"
        "@@ -0,0 +1 @@\n+NOTE = 1\n"
    )
    predicted = [
        {"instance_id": name, "model_name_or_path": "by hand", "model_patch": patch}
        for name, patch in patches.items()
    ]
    evaluation.out.write_text("".join(f"{json.dumps(line)}\n" for line in predicted))
    ended = await evaluation.run("--grade")
    assert ended.code == 0, ended.out + ended.err
    grades = json.loads(evaluation.out.with_name("predictions.grades.json").read_text())
    assert grades["resolved_ids"] == ["bundled__rounding-1"]
    assert grades["unresolved_ids"] == ["bundled__left-1"]
