"""A baseline serves later runs on the same files, as long as it would end the same way."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from graph.environment import Environment, LeftOut
from graph.environment_record import EnvironmentRecord, repo_of
from graph.files.run_folder import RunFolder
from graph.values import Base, Check, Validation
from sandbox.checks.kept_results import KeptResults
from sandbox.checks.service import SandboxChecks
from sandbox.core.protocol import Limits
from sandbox.environments.records import LocalEnvironmentRecords
from sandbox.tree.run_folder import make_run_folder
from tests.support.sandbox.sample_run import RUN, SampleRun, git, read_base, sample_run
from tests.support.sandbox.watched_sandboxes import WatchedSandboxes

pytestmark = pytest.mark.sandbox

UNITTEST = "python3 -m unittest"
PASSES = "import unittest\n\nclass T(unittest.TestCase):\n    def test_it(self):\n        {}\n"
ONCE = """\
        import os
        first = not os.path.exists("/tmp/once")
        open("/tmp/once", "w").close()
        self.assertFalse(first)
"""
ENVIRONMENT = Environment(key="a" * 64, tools={"python": "3.11"})


@dataclass
class Bench:
    """Runs on one repository, which share a folder of results."""

    run: SampleRun
    data: Path
    watched: WatchedSandboxes

    async def baseline(
        self,
        run_id: str,
        base: Base,
        environment: Environment = ENVIRONMENT,
        command: str = UNITTEST,
        timeout_s: float = 30,
    ) -> Validation:
        kept = KeptResults(self.data / "baselines", timeout_s=timeout_s)
        checks = SandboxChecks(runs=self.run.runs, sandboxes=self.watched, kept=kept)
        check = Check(command=command, source="repository")
        return await checks.baseline(run_id, base, environment, (check,), time.time() + 120)

    def next_run(self, number: int, message: str = "Say more", **files: str) -> tuple[str, Base]:
        """A run on the commit after these files were written."""
        source, run_id = self.data / "source", f"later-{number}"
        for name, text in files.items():
            (source / name.replace("_dot_", ".")).write_text(text)
        git(source, "add", "-A")
        git(source, "commit", "-q", "--allow-empty", "-m", message)
        make_run_folder(self.run.runs, run_id)
        base_git = RunFolder.of(self.run.runs, run_id).base_git
        shutil.rmtree(base_git, ignore_errors=True)
        git(self.data, "clone", "-q", "--bare", "--template=", str(source), str(base_git))
        return run_id, read_base(source)


def bench_of(data: Path, body: str, limits: Limits | None = None) -> Bench:
    test = PASSES.format(body.strip())
    run = sample_run(data, {"test_it.py": test}, limits=limits)
    return Bench(run, data, WatchedSandboxes(run.sandboxes))


@pytest.mark.parametrize(("body", "status"), [("pass", "passed"), ("self.fail()", "failed")])
async def test_the_same_files_are_tried_once(data_dir: Path, body: str, status: str) -> None:
    bench = bench_of(data_dir, body)
    first = await bench.baseline(RUN, bench.run.base)
    tried = len(bench.watched.opened)
    run_id, base = bench.next_run(1)
    again = await bench.baseline(run_id, base)
    assert (first.status, first.kept) == (status, False)
    assert again == first.model_copy(update={"kept": True})
    assert len(bench.watched.opened) == tried
    assert set(bench.watched.weights) == {0.5}  # other commands come first


async def test_other_files_environments_commands_or_limits_are_tried_anew(data_dir: Path) -> None:
    bench = bench_of(data_dir, "pass")
    await bench.baseline(RUN, bench.run.base)
    run_id, base = bench.next_run(1)
    others = [
        await bench.baseline(run_id, base, command=f"{UNITTEST} -v"),
        await bench.baseline(*bench.next_run(2), ENVIRONMENT.model_copy(update={"key": "b"})),
        await bench.baseline(*bench.next_run(3), ENVIRONMENT.model_copy(update={"tools": {}})),
        await bench.baseline(*bench.next_run(4), timeout_s=31),
        await bench.baseline(*bench.next_run(5, a_dot_txt="new")),
    ]
    assert [each.kept for each in others] == [False] * 5


async def test_what_fails_by_chance_is_told_and_not_kept(data_dir: Path) -> None:
    bench = bench_of(data_dir, ONCE)
    first = await bench.baseline(RUN, bench.run.base)
    assert (first.known_failures, len(first.flaky)) == ((), 1)
    assert not (await bench.baseline(*bench.next_run(1))).kept


@pytest.mark.slow
async def test_what_was_stopped_or_cannot_start_is_not_kept(data_dir: Path) -> None:
    bench = bench_of(data_dir, "import time; time.sleep(60)", Limits(timeout_s=2))
    assert (await bench.baseline(RUN, bench.run.base)).commands[0].status == "stopped"
    assert not (await bench.baseline(*bench.next_run(1))).kept
    await bench.baseline(*bench.next_run(2), command="no-such-program")
    assert not (await bench.baseline(*bench.next_run(3), command="no-such-program")).kept


async def test_what_is_forgotten_is_tried_anew(data_dir: Path) -> None:
    bench = bench_of(data_dir, "pass")
    await bench.baseline(RUN, bench.run.base)
    records = LocalEnvironmentRecords(data_dir / "records", kept=(data_dir / "baselines",))
    record = EnvironmentRecord(
        repo=repo_of(bench.run.base),
        sha=bench.run.base.sha,
        run_id=RUN,
        made_at=0,
        environment=Environment(left_out=(LeftOut(what="a", why="b"),)),
    )
    await records.put(record.model_copy(update={"repo": "ada/other"}))
    await records.put(record)
    assert await records.forget("ada/other")
    assert (await bench.baseline(*bench.next_run(1))).kept
    assert await records.forget(record.repo)
    assert not (await bench.baseline(*bench.next_run(2))).kept
