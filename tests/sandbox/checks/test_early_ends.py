"""Runs that end before all tests: at a first failure, or cut in what they say."""

import time
from pathlib import Path

import pytest

from graph.values import ChangeRef, Check, Validation
from sandbox.backends.base.backend import BackendOptions
from sandbox.backends.bubblewrap.backend import Bubblewrap
from sandbox.checks.new_failures import Failures, compare_with_base
from sandbox.checks.run_check import CheckRun
from sandbox.checks.service import SandboxChecks
from sandbox.core.protocol import Limits
from tests.support.graph.environments import environment_of
from tests.support.sandbox.sample_run import RUN, SampleRun, sample_run

pytestmark = pytest.mark.sandbox

FIRST, LAST = "test_app.py::test_first", "test_app.py::test_last"
TESTS = """\
import app

def test_first():
    assert app.FIRST

def test_last():
    assert app.LAST
"""
EARLY = "python3 -m pytest -q -x"
CASES = {
    "what fails first fails before, too": ("LAST = False", ("unavailable", (), (FIRST,))),
    "the next one failed before, too": ("FIRST = True", ("unavailable", (), (LAST,))),
    "all hold": ("FIRST = LAST = True", ("passed", (), ())),
}


@pytest.fixture(scope="module")
def options(module_dir: Path, tools: Path) -> BackendOptions:
    limits = Limits(timeout_s=60)
    return BackendOptions(limits=limits, state=module_dir / "state", tool_paths=(tools,))


async def validate(run: SampleRun, change: ChangeRef, install: str, command: str) -> Validation:
    checks = SandboxChecks(runs=run.runs, sandboxes=run.sandboxes)
    asked = (Check(command=command, source="caller"),)
    environment = environment_of([install])
    return await checks.validate(RUN, run.base, change, asked, environment, time.time() + 120)


@pytest.mark.parametrize("case", CASES)
async def test_what_comes_after_a_known_failure_is_not_validated(
    data_dir: Path, options: BackendOptions, install: str, case: str
) -> None:
    code, (status, new, known) = CASES[case]
    files = {"app.py": "FIRST = LAST = False\n", "test_app.py": TESTS}
    run = sample_run(data_dir, files, backend=Bubblewrap(options))
    change = await run.make_change(f"echo '{code}' >> app.py")
    found = await validate(run, change, install, EARLY)
    assert (found.status, found.new_failures, found.known_failures) == (status, new, known)
    gaps = [finding.rule for finding in found.findings]
    assert gaps == (["cut_short"] if status == "unavailable" else [])


async def test_a_failure_behind_a_known_one_that_is_mended_is_the_change_s(
    data_dir: Path, options: BackendOptions, install: str
) -> None:
    files = {"app.py": "FIRST, LAST = False, True\n", "test_app.py": TESTS}
    run = sample_run(data_dir, files, backend=Bubblewrap(options))
    change = await run.make_change("echo 'FIRST, LAST = True, False' >> app.py")
    found = await validate(run, change, install, EARLY)
    assert (found.status, found.new_failures) == ("failed", (LAST,))


async def test_failures_in_what_was_cut_out_of_an_output_may_be_new(data_dir: Path) -> None:
    script = "echo 'test a ... FAILED'; seq 300000; cat middle; seq 300000; exit 1\n"
    run = sample_run(data_dir, {"run.sh": script, "middle": ""})
    change = await run.make_change("echo 'test b ... FAILED' > middle")
    found = await validate(run, change, "true", "bash run.sh")
    assert (found.status, found.known_failures) == ("unavailable", ("a",))
    assert [finding.rule for finding in found.findings] == ["cut_short"]


def ended(*tests: str, complete: bool) -> CheckRun:
    return CheckRun(command="check", exit_code=1, failed_tests=tests, complete=complete)


def test_a_base_that_ended_early_knows_nothing_of_what_it_did_not_come_to() -> None:
    base = ended("a", complete=False)
    assert compare_with_base(ended("a", "b", complete=True), base) == Failures(
        preexisting=("a",), unknown=("b",)
    )
    assert compare_with_base(ended(complete=True), base) == Failures(new=("check",))
