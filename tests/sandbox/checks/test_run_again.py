"""New failures run again alone, on the change and on the base, before anyone is blamed."""

import time
from pathlib import Path

import pytest

from graph.values import ChangeRef, Check, FolderCommand, Validation
from sandbox.backends.base.backend import BackendOptions
from sandbox.backends.bubblewrap.backend import Bubblewrap
from sandbox.checks.run_again import still_failing
from sandbox.checks.run_check import CheckRun
from sandbox.checks.service import SandboxChecks
from sandbox.core.protocol import Limits
from tests.support.graph.environments import environment_of
from tests.support.sandbox.sample_run import RUN, SampleRun, sample_run

pytestmark = pytest.mark.sandbox

PYTEST = "python3 -m pytest -q"
UNITTEST = "python3 -m unittest discover -s tests -t ."
ONCE = """\
import os, unittest
from app import add

def first(name):
    if os.path.exists(f"/tmp/{name}"):
        return False
    open(f"/tmp/{name}", "w").close()
    return os.path.exists("changed")

class SumTest(unittest.TestCase):
    def test_slow_machine(self):
        self.assertFalse(first("slow"))

    def test_add(self):
        self.assertEqual(add(1, 1), 2)
"""
SAMPLE: dict[str, str | bytes] = {
    "app.py": "def add(a, b):\n    return a + b\n",
    "tests/__init__.py": "",
    "tests/test_app.py": ONCE,
}
SLOW = {
    UNITTEST: "test_slow_machine (tests.test_app.SumTest.test_slow_machine)",
    PYTEST: "tests/test_app.py::SumTest::test_slow_machine",
    "bash run.sh": "test_slow_machine (tests.test_app.SumTest.test_slow_machine)",
}
ADD = {
    UNITTEST: "test_add (tests.test_app.SumTest.test_add)",
    PYTEST: "tests/test_app.py::SumTest::test_add",
    "bash run.sh": "test_add (tests.test_app.SumTest.test_add)",
}


async def validate(run: SampleRun, change: ChangeRef, command: str, *setup: str) -> Validation:
    checks = SandboxChecks(runs=run.runs, sandboxes=run.sandboxes)
    asked = (Check(command=command, source="repository", main=True),)
    return await checks.validate(
        RUN, run.base, change, asked, environment_of(setup), time.time() + 120
    )


@pytest.fixture
def sample(data_dir: Path, tools: Path) -> SampleRun:
    limits = Limits(timeout_s=60)
    options = BackendOptions(limits=limits, state=data_dir / "state", tool_paths=(tools,))
    backend = Bubblewrap(options)
    return sample_run(data_dir, {**SAMPLE, "run.sh": f"{UNITTEST}\n"}, backend=backend)


@pytest.mark.parametrize("command", SLOW)
async def test_a_test_that_fails_once_is_flaky_and_nobody_s_fault(
    sample: SampleRun, install: str, command: str
) -> None:
    change = await sample.make_change("touch changed; rm -f /tmp/slow; echo x > x")
    validation = await validate(sample, change, command, install)
    assert validation.flaky == (SLOW[command],)
    assert (validation.status, validation.new_failures) == ("passed", ())
    assert validation.commands[0].status == "failed"


@pytest.mark.slow
@pytest.mark.parametrize("command", SLOW)
async def test_a_test_that_fails_again_is_new_beside_a_flaky_one(
    sample: SampleRun, install: str, command: str
) -> None:
    change = await sample.make_change("touch changed; echo x > x; sed -i 's/a + b/a - b/' app.py")
    validation = await validate(sample, change, command, install)
    assert (validation.status, validation.new_failures) == ("failed", (ADD[command],))
    assert validation.flaky == (SLOW[command],)


async def test_a_test_that_fails_among_the_others_alone_is_the_change_s(data_dir: Path) -> None:
    test = (
        "import os, unittest\nclass ATest(unittest.TestCase):\n"
        "    def test_a(self):\n        os.environ['LEAK'] = open('leak').read()\n"
        "    def test_b(self):\n        self.assertEqual(os.environ.get('LEAK', ''), '')\n"
    )
    run = sample_run(data_dir, {"leak": "", "test_a.py": test})
    change = await run.make_change("printf leaks > leak")
    validation = await validate(run, change, "python3 -m unittest discover")
    assert (validation.status, validation.flaky) == ("failed", ())
    assert validation.new_failures == ("test_b (test_a.ATest.test_b)",)


async def test_a_test_that_needs_others_before_it_is_held_against_all_of_them(
    data_dir: Path,
) -> None:
    test = (
        "import os, unittest\nclass ATest(unittest.TestCase):\n"
        "    def test_a(self):\n        os.environ['MADE'] = open('make').read()\n"
        "    def test_b(self):\n        self.assertEqual(os.environ.get('MADE', ''), 'made')\n"
    )
    run = sample_run(data_dir, {"make": "made", "test_a.py": test})
    change = await run.make_change("printf other > make")
    validation = await validate(run, change, "python3 -m unittest discover")
    assert (validation.status, validation.flaky) == ("failed", ())
    assert validation.new_failures == ("test_b (test_a.ATest.test_b)",)


async def test_what_fails_on_the_base_by_now_too_is_flaky(data_dir: Path) -> None:
    test = (
        "import os, unittest\nclass ATest(unittest.TestCase):\n    def test_a(self):\n"
        "        tried = os.path.exists('/tmp/tried')\n        open('/tmp/tried', 'w').close()\n"
        "        self.assertFalse(tried or os.path.exists('new'))\n"
    )
    run = sample_run(data_dir, {"test_a.py": test})
    change = await run.make_change("touch new")
    validation = await validate(run, change, "python3 -m unittest discover")
    assert (validation.status, validation.new_failures) == ("passed", ())
    assert validation.flaky == ("test_a (test_a.ATest.test_a)",)


@pytest.mark.slow
async def test_a_base_that_was_stopped_knows_nothing_of_what_it_did_not_come_to(
    data_dir: Path,
) -> None:
    files = {"run.sh": "[ -e new ] || sleep 60\necho '=' * 9; exit 1\n"}
    run = sample_run(data_dir, files, limits=Limits(timeout_s=5))
    change = await run.make_change("echo new > new")
    validation = await validate(run, change, "bash run.sh")
    assert (validation.status, validation.new_failures) == ("unavailable", ())
    (finding,) = validation.findings
    assert finding.rule == "base_stopped"
    assert "bash run.sh" in finding.message


@pytest.mark.slow
async def test_a_test_of_a_stopped_base_is_tried_there_alone(data_dir: Path) -> None:
    test = (
        "import os, time, unittest\nfrom app import one\nclass ATest(unittest.TestCase):\n"
        "    def test_a(self):\n        self.assertEqual(one(), 1)\n"
        "    def test_b(self):\n        time.sleep(0 if os.path.exists('new') else 60)\n"
        "    def test_c(self):\n        self.fail()\n"
    )
    files: dict[str, str | bytes] = {"app.py": "def one():\n    return 1\n", "test_a.py": test}
    run = sample_run(data_dir, files, limits=Limits(timeout_s=8))
    change = await run.make_change("echo new > new; sed -i 's/1/2/' app.py")
    validation = await validate(run, change, "python3 -m unittest discover")
    assert validation.new_failures == ("test_a (test_a.ATest.test_a)",)
    assert validation.flaky == ()
    assert validation.known_failures == ("test_c (test_a.ATest.test_c)",)
    assert validation.status == "failed"


@pytest.mark.slow
async def test_pytest_names_what_failed_whatever_the_project_lets_it_name(
    sample: SampleRun, install: str
) -> None:
    settings = "printf '[pytest]\\naddopts = -rxXs\\n' > pytest.ini"
    change = await sample.make_change(f"{settings}; sed -i 's/a + b/a - b/' app.py")
    for command in (PYTEST, f"sh -c '{PYTEST}'", f"{PYTEST} -rN"):
        validation = await validate(sample, change, command, install)
        named = validation.new_failures == (ADD[PYTEST],)
        assert (validation.status, named) == ("failed", "-rN" not in command)


@pytest.mark.parametrize(("longest_ms", "failing"), [(60_000, []), (120_000, ["test_a.py::a"])])
async def test_a_long_check_is_run_again_whole_where_there_is_time(
    longest_ms: float, failing: list[str]
) -> None:
    run = CheckRun(command=PYTEST, exit_code=1, duration_ms=90_000, failed_tests=("test_a.py::a",))

    async def again(command: FolderCommand) -> CheckRun:
        """Alone it passes."""
        return run if command.command == PYTEST else CheckRun(command="-", exit_code=0, ran=True)

    found = await still_failing(
        Check(command=PYTEST, source="repository"), run, run.failed_tests, again, longest_ms
    )
    assert found == frozenset(failing)


@pytest.mark.parametrize(("counts", "failing"), [("1 passed", []), ("1 failed", ["test_a.py::a"])])
async def test_a_test_that_passes_alone_may_leave_too_little_covered(
    counts: str, failing: list[str]
) -> None:
    """What fails then is the check, and not the test."""
    run = CheckRun(command=PYTEST, exit_code=1, duration_ms=90_000, failed_tests=("test_a.py::a",))

    async def again(_: FolderCommand) -> CheckRun:
        return CheckRun(command="-", exit_code=1, ran=True, counts=counts)

    check = Check(command=PYTEST, source="repository")
    found = await still_failing(check, run, run.failed_tests, again, 0)
    assert found == frozenset(failing)
