"""Checks: found in the base, run on the change, held against the base."""

import asyncio
import time
from pathlib import Path

import pytest

from graph.environment import NO_ENVIRONMENT
from graph.errors import PatchUnusable, SandboxLost
from graph.files import store_change
from graph.files.run_folder import RunFolder
from graph.values import ChangeRef, Check, Validation
from sandbox.checks.service import SandboxChecks
from sandbox.core.protocol import Limits
from tests.support.graph.environments import environment_of
from tests.support.polling import until
from tests.support.sandbox.sample_run import RUN, SampleRun, sample_run

pytestmark = pytest.mark.sandbox

UNITTEST = "python3 -m unittest discover -s tests -t ."
TESTS = """\
import unittest

class SumTest(unittest.TestCase):
    def test_good(self):
        self.assertEqual(1 + 1, 2)

    def test_bad(self):
        self.assertEqual(1 + 1, 3)
"""
SAMPLE: dict[str, str | bytes] = {
    "app.py": "def add(a, b):\n    return a + b\n",
    "tests/__init__.py": "",
    "tests/test_app.py": TESTS,
    "run.sh": "exit 0\n",
}


@pytest.fixture
def sample(data_dir: Path) -> SampleRun:
    """A run over a repository with one good and one bad test."""
    return sample_run(data_dir, SAMPLE)


async def validate(
    run: SampleRun,
    change: ChangeRef,
    *commands: str,
    setup: tuple[str, ...] = (),
    seconds: float = 60,
) -> Validation:
    checks = SandboxChecks(runs=run.runs, sandboxes=run.sandboxes)
    asked = tuple(Check(command=command, source="caller") for command in commands)
    validation = await checks.validate(
        RUN, run.base, change, asked, environment_of(setup), time.time() + seconds
    )
    assert run.trees() == []
    return validation


async def test_passing_checks_pass_in_order(sample: SampleRun) -> None:
    change = await sample.make_change("echo new > new")
    validation = await validate(sample, change, "cat new", "printf '%1000s' x", "true")
    assert validation.status == "passed"
    assert [report.command for report in validation.commands][::2] == ["cat new", "true"]
    assert [report.status for report in validation.commands] == ["passed"] * 3
    assert [report.exit_code for report in validation.commands] == [0] * 3
    assert validation.commands[0].output == "new\n"
    assert len(validation.commands[1].output) <= 500


async def test_no_checks_are_unavailable(sample: SampleRun) -> None:
    change = await sample.make_change("echo new > new")
    assert await validate(sample, change) == Validation(status="unavailable")


async def test_a_check_that_fails_only_with_the_change_is_its_failure(sample: SampleRun) -> None:
    change = await sample.make_change("echo 'echo broken; exit 3' > run.sh")
    validation = await validate(sample, change, "bash run.sh", "true")
    assert validation.status == "failed"
    assert validation.new_failures == ("bash run.sh",)
    assert validation.known_failures == ()
    first = validation.commands[0]
    assert (first.status, first.exit_code, first.output) == ("failed", 3, "broken\n")


async def test_a_failure_of_the_base_is_not_blamed(sample: SampleRun) -> None:
    change = await sample.make_change("echo new > new")
    validation = await validate(sample, change, "exit 4", UNITTEST)
    assert validation.status == "passed"
    assert validation.new_failures == ()
    bad = "test_bad (tests.test_app.SumTest.test_bad)"
    assert validation.known_failures == ("exit 4", bad)
    assert [report.status for report in validation.commands] == ["failed", "failed"]


@pytest.mark.parametrize(
    "command", ["exit 4", "echo 'FAILED a.py::t'; exit 4", "echo a.py:1: F401 unused; exit 1"]
)
async def test_a_check_that_fails_as_a_whole_without_the_change_validates_nothing(
    sample: SampleRun, command: str
) -> None:
    change = await sample.make_change("echo new > new")
    alone = await validate(sample, change, command)
    assert (alone.status, alone.new_failures) == ("unavailable", ())
    assert len(alone.known_failures) == 1
    assert (await validate(sample, change, command, "no-such-program")).status == "unavailable"
    assert (await validate(sample, change, command, "true")).status == "passed"
    assert (await validate(sample, change, command, UNITTEST)).status == "passed"


async def test_tests_that_cannot_be_loaded_validate_nothing(data_dir: Path) -> None:
    run = sample_run(data_dir, {"test_a.py": "import no_such_module\n"})
    change = await run.make_change("echo new > new")
    validation = await validate(run, change, "python3 -m unittest")
    assert validation.status == "unavailable"
    assert validation.known_failures == ("test_a (unittest.loader._FailedTest.test_a)",)


async def test_a_new_failing_test_is_told_from_a_known_one(sample: SampleRun) -> None:
    change = await sample.make_change("sed -i 's/1 + 1, 2/1 + 1, 4/' tests/test_app.py")
    validation = await validate(sample, change, UNITTEST)
    assert validation.status == "failed"
    assert validation.new_failures == ("test_good (tests.test_app.SumTest.test_good)",)
    assert validation.known_failures == ("test_bad (tests.test_app.SumTest.test_bad)",)


async def test_a_fixed_test_leaves_nothing(sample: SampleRun) -> None:
    change = await sample.make_change("sed -i 's/1 + 1, 3/1 + 1, 2/' tests/test_app.py")
    validation = await validate(sample, change, UNITTEST)
    assert (validation.status, validation.known_failures) == ("passed", ())


async def test_tests_that_can_no_longer_be_told_apart_are_new(sample: SampleRun) -> None:
    change = await sample.make_change("echo 'import os; os._exit(9)' > tests/__init__.py")
    validation = await validate(sample, change, UNITTEST)
    assert (validation.status, validation.new_failures) == ("failed", (UNITTEST,))


async def test_new_tests_that_fail_are_new_where_the_base_has_none(data_dir: Path) -> None:
    run = sample_run(data_dir, {"check.sh": "ls tests/test_*.py && " + UNITTEST})
    change = await run.make_change(
        "mkdir tests; touch tests/__init__.py;"
        "printf 'import unittest\\nclass A(unittest.TestCase):\\n"
        "    def test_a(self): self.fail()\\n' > tests/test_a.py"
    )
    validation = await validate(run, change, "bash check.sh")
    assert validation.status == "failed"
    assert validation.new_failures == ("test_a (tests.test_a.A.test_a)",)


@pytest.mark.parametrize(
    "command",
    [
        "no-such-program --now",
        "python3 -m no_such_module -q",
        "A=1 python3 -m no_such.part",
        "./run.sh",
    ],
)
async def test_a_check_that_cannot_start_is_unavailable(sample: SampleRun, command: str) -> None:
    change = await sample.make_change("echo new > new")
    validation = await validate(sample, change, command)
    assert validation.status == "unavailable"
    assert validation.new_failures == validation.known_failures == ()
    report = validation.commands[0]
    assert (report.status, report.exit_code) == ("unavailable", None)
    assert report.output
    both = await validate(sample, change, command, "true")
    assert both.status == "passed"


async def test_a_check_that_the_change_keeps_from_starting_is_its_failure(
    sample: SampleRun,
) -> None:
    change = await sample.make_change("rm app.py; echo 'exit 127' > run.sh")
    validation = await validate(sample, change, "python3 -m app", "bash run.sh")
    assert validation.status == "failed"
    assert validation.new_failures == ("python3 -m app", "bash run.sh")


async def test_a_check_that_only_the_change_makes_possible_counts(sample: SampleRun) -> None:
    change = await sample.make_change("printf '#!/bin/sh\\nexit 1\\n' > own; chmod +x own")
    validation = await validate(sample, change, "./own")
    assert (validation.status, validation.new_failures) == ("failed", ("./own",))


async def test_a_module_that_prints_what_a_missing_one_prints_has_failed(
    sample: SampleRun,
) -> None:
    change = await sample.make_change("echo \"raise SystemExit('No module named app')\" > app.py")
    validation = await validate(sample, change, "python3 -m app")
    assert validation.status == "failed"


@pytest.mark.slow
async def test_a_stopped_check_is_stopped_and_never_repeated(data_dir: Path) -> None:
    run = sample_run(data_dir, {"run.sh": "exit 1\n"}, limits=Limits(timeout_s=4))
    change = await run.make_change("echo 'echo begun; sleep 60' > run.sh")
    validation = await validate(run, change, "bash run.sh", "sleep 60")
    assert (validation.status, validation.new_failures) == ("unavailable", ())
    assert [(r.status, r.limit, r.exit_code) for r in validation.commands] == [
        ("stopped", "time", None)
    ] * 2
    assert validation.commands[0].output == "begun\n"
    assert validation.commands[0].duration_ms >= 1000
    assert not list(run.folder.checks.iterdir())  # the base was not asked


@pytest.mark.slow
async def test_a_check_that_no_longer_ends_is_the_change_s_where_the_base_is_known(
    data_dir: Path,
) -> None:
    run = sample_run(data_dir, {"run.sh": "exit 1\n"}, limits=Limits(timeout_s=3))
    change = await run.make_change("echo 'sleep 60' > run.sh")
    checks = SandboxChecks(runs=run.runs, sandboxes=run.sandboxes)
    asked = tuple(Check(command=c, source="caller") for c in ("bash run.sh", "sleep 60"))
    base = await checks.baseline(RUN, run.base, NO_ENVIRONMENT, asked, time.time() + 60)
    assert [report.status for report in base.commands] == ["failed", "stopped"]
    validation = await validate(run, change, "bash run.sh", "sleep 60")
    assert (validation.status, validation.new_failures) == ("failed", ("bash run.sh",))
    assert [report.status for report in validation.commands] == ["stopped", "stopped"]


@pytest.mark.slow
async def test_what_is_no_main_check_may_be_stopped(data_dir: Path) -> None:
    run = sample_run(data_dir, {"a": "1\n"}, limits=Limits(timeout_s=4))
    change = await run.make_change("echo 2 > a")
    checks = SandboxChecks(runs=run.runs, sandboxes=run.sandboxes)
    test = Check(command="true", source="repository", main=True)
    lint = Check(command="sleep 60", source="repository", kind="lint")
    for asked, status in (((test, lint), "passed"), ((lint,), "unavailable")):
        validation = await checks.validate(
            RUN, run.base, change, asked, NO_ENVIRONMENT, time.time() + 60
        )
        assert validation.status == status


async def test_the_end_of_the_runs_time_blames_nobody(sample: SampleRun) -> None:
    change = await sample.make_change("echo new > new")
    validation = await validate(sample, change, "true", "sleep 60", "exit 1", seconds=1)
    assert validation.status == "unavailable"
    assert validation.new_failures == validation.known_failures == ()
    assert [report.status for report in validation.commands] == [
        "passed",
        "stopped",
        "unavailable",
    ]
    assert "time of the run" in validation.commands[2].output


async def test_the_output_of_a_failing_check_keeps_both_ends(sample: SampleRun) -> None:
    change = await sample.make_change("echo new > new")
    command = "echo first; head -c 2000000 /dev/zero | tr '\\0' x; echo; echo last; exit 1"
    (report,) = (await validate(sample, change, command)).commands
    assert len(report.output) <= 6000
    assert report.output.startswith("first\n")
    assert report.output.endswith("last\n")
    assert "left out" in report.output


async def test_the_base_is_asked_once(sample: SampleRun) -> None:
    first = await sample.make_change("echo new > new")
    await validate(sample, first, "exit 4")
    (kept,) = sample.folder.checks.iterdir()
    written = kept.stat().st_mtime_ns
    second = await sample.make_change("echo newer > new", step=2)
    assert (await validate(sample, second, "exit 4")).known_failures == ("exit 4",)
    assert kept.stat().st_mtime_ns == written
    kept.write_text("damaged")
    assert (await validate(sample, second, "exit 4")).known_failures == ("exit 4",)
    assert kept.read_text() != "damaged"
    await validate(sample, second, "exit 4", setup=("true",))
    assert len(list(sample.folder.checks.iterdir())) == 2


async def test_set_up_runs_before_the_checks_of_both(sample: SampleRun) -> None:
    change = await sample.make_change("echo new > new")
    validation = await validate(sample, change, "cat made new", setup=("echo made > made",))
    assert (validation.status, validation.new_failures) == ("passed", ())
    validation = await validate(sample, change, "cat made gone", setup=("echo made > made",))
    assert validation.known_failures == ("cat made gone",)


async def test_a_set_up_that_the_change_breaks_is_a_failure_of_the_change(
    sample: SampleRun,
) -> None:
    change = await sample.make_change("echo 'echo no set-up; exit 3' > run.sh")
    validation = await validate(sample, change, "true", setup=("bash run.sh",))
    assert validation.status == "failed"
    assert validation.new_failures == ("set-up",)
    assert "no set-up" in validation.commands[0].output


async def test_a_base_whose_set_up_fails_excuses_nothing(sample: SampleRun) -> None:
    change = await sample.make_change("echo new > new")
    validation = await validate(sample, change, "exit 4", "exit 5", setup=("cat new",))
    assert (validation.status, validation.new_failures) == ("failed", ("exit 4", "exit 5"))


async def test_checks_see_nothing_of_the_live_tree(sample: SampleRun) -> None:
    live = await sample.open()
    await live.run("echo left > left; echo left > ~/left; echo left > /tmp/left; echo new > new")
    change = store_change(RunFolder.of(sample.runs, RUN), 1, "coder", await sample.take(live))
    await live.run("rm left new; echo other > new")
    await sample.sandboxes.close_run(RUN)
    validation = await validate(sample, change, "cat new | grep -x new; ls ~/left /tmp/left; true")
    assert validation.commands[0].output.startswith("new\n")
    assert "cannot access '/tmp/left'" in validation.commands[0].output


async def test_a_long_list_of_failures_is_cut(data_dir: Path) -> None:
    script = "echo '=== short test summary info ==='\nseq -f 'FAILED a.py::t%g' 200\n"
    run = sample_run(data_dir, {"run.sh": script})
    change = await run.make_change("echo exit 1 >> run.sh")
    validation = await validate(run, change, "bash run.sh")
    assert len(validation.new_failures) == 51
    assert validation.new_failures[-1] == "… and 150 more"


async def test_trees_are_gone_after_an_error(sample: SampleRun) -> None:
    patch = b"--- a/no\n+++ b/no\n@@ -1 +1 @@\n-a\n+b\n"
    change = store_change(RunFolder.of(sample.runs, RUN), 1, "coder", patch)
    with pytest.raises(PatchUnusable):
        await validate(sample, change, "true")
    assert sample.trees() == []


def _has_begun(sample: SampleRun) -> bool:
    return any(sample.folder.trees.glob("*/workspace/begun"))


async def test_a_sandbox_lost_under_a_check_is_an_error(sample: SampleRun) -> None:
    change = await sample.make_change("echo new > new")
    validating = asyncio.create_task(validate(sample, change, "touch begun; sleep 60", "true"))
    await until(lambda: _has_begun(sample))
    await sample.sandboxes.close_run(RUN)
    with pytest.raises(SandboxLost):
        await validating
    assert sample.trees() == []


async def test_a_cancelled_validation_leaves_no_tree(sample: SampleRun) -> None:
    change = await sample.make_change("echo new > new")
    validating = asyncio.create_task(validate(sample, change, "touch begun; sleep 60"))
    await until(lambda: _has_begun(sample))
    validating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await validating
    assert sample.trees() == []
