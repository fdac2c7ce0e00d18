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
from sandbox.reports.read_report import read_report
from tests.support.graph.environments import environment_of
from tests.support.sandbox.sample_run import RUN, SampleRun, sample_run

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

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


def ended(*tests: str, complete: bool, held_up: bool = False, ran: bool = True) -> CheckRun:
    return CheckRun(
        command="check",
        exit_code=1,
        failed_tests=tests,
        complete=complete,
        held_up=held_up,
        ran=ran,
    )


HELD_UP = ended("a", "b", complete=False, held_up=True)


@pytest.mark.parametrize(
    ("run", "base", "new"),
    [
        (ended("a", "b", "c", complete=False, held_up=True), HELD_UP, ("c",)),
        (ended("a", "m", "c", complete=False, held_up=True), HELD_UP, ("c",)),
        (ended("a", "c", complete=False, held_up=True), HELD_UP, ()),
        (ended("a", "b", "c", complete=True), HELD_UP, ()),
        (ended("a", "b", "c", complete=False), HELD_UP, ()),
        (ended("a", "b", "c", complete=False, held_up=True), ended("a", "b", complete=False), ()),
        (ended("c", complete=False, held_up=True), ended(complete=False, held_up=True), ()),
        (ended("c", complete=True, ran=False), HELD_UP, ("c",)),
        (ended("c", complete=False, ran=False), HELD_UP, ()),
    ],
)
def test_what_known_failures_hold_up_came_no_further_than_the_base(
    run: CheckRun, base: CheckRun, new: tuple[str, ...]
) -> None:
    found = compare_with_base(run, base, {"m": "b"})
    assert found.new == new
    assert found.unknown == (() if new else ("c",))


MODULES = {f"test_{n:02}.py": "import app\n\ndef test_a():\n    pass\n" for n in range(30)}


@pytest.mark.parametrize("breaks", ["raise ValueError", "import no_such_module"])
async def test_very_many_modules_that_a_change_breaks_beside_a_broken_one(
    data_dir: Path, options: BackendOptions, install: str, breaks: str
) -> None:
    files = {"app.py": "", "test_broken.py": "import no_such_name\n", **MODULES}
    run = sample_run(data_dir, files, backend=Bubblewrap(options))
    change = await run.make_change(f"echo '{breaks}' >> app.py")
    found = await validate(run, change, install, "python3 -m pytest -q")
    assert (found.status, found.known_failures) == ("failed", ("test_broken.py",))
    assert set(found.new_failures) == set(MODULES)
    assert found.findings == ()


REACTOR = """\
cat core
echo '[INFO] core ............ FAILURE [  0.1 s]'
echo '[INFO] web ............. SKIPPED'
exit 1
"""
KNOWN = "[ERROR] core.A.known -- Time elapsed: 0.1 s <<< FAILURE!\n"


async def test_what_breaks_in_a_module_whose_known_failure_holds_up_others(data_dir: Path) -> None:
    run = sample_run(data_dir, {"core": KNOWN, "run.sh": REACTOR})
    change = await run.make_change(f"echo '{KNOWN.replace('known', 'new').strip()}' >> core")
    found = await validate(run, change, "true", "bash run.sh")
    assert (found.status, found.new_failures) == ("failed", ("core.A.new",))
    assert found.known_failures == ("core.A.known",)


PANIC = """\
echo '--- FAIL: TestBad (0.00s)'
echo 'panic: bad [recovered]'
printf 'FAIL\\tx/p\\t0.1s\\n'
for n in $(cat broken); do echo "--- FAIL: Test$n (0.00s)"; done
printf '%s\\tx/q\\t0.1s\\n' "$(cat end)"
exit 1
"""


async def test_very_many_tests_that_break_beside_a_panic_that_is_known(data_dir: Path) -> None:
    run = sample_run(data_dir, {"broken": "", "end": "ok  ", "run.sh": PANIC})
    change = await run.make_change("seq 30 > broken; echo FAIL > end")
    found = await validate(run, change, "true", "bash run.sh")
    assert (found.status, found.known_failures) == ("failed", ("x/p TestBad",))
    assert set(found.new_failures) == {f"x/q Test{n + 1}" for n in range(30)}


async def test_some_of_very_many_unknown_ones_are_tried_on_the_base(
    data_dir: Path, options: BackendOptions, install: str
) -> None:
    """A known failure that is mended held up tests, and the change breaks those."""
    files = {"app.py": "", "test_broken.py": "import later\n", **MODULES}
    run = sample_run(data_dir, files, backend=Bubblewrap(options))
    change = await run.make_change("touch later.py; echo 'raise ValueError' >> app.py")
    found = await validate(run, change, install, "python3 -m pytest -q")
    assert (found.status, found.known_failures) == ("failed", ())
    assert set(found.new_failures) < set(MODULES)
    assert len(found.new_failures) == 20


def test_a_base_that_ended_early_knows_nothing_of_what_it_did_not_come_to() -> None:
    base = ended("a", complete=False)
    assert compare_with_base(ended("a", "b", complete=True), base) == Failures(
        preexisting=("a",), unknown=("b",)
    )
    assert compare_with_base(ended(complete=True), base) == Failures(new=("check",))


@pytest.mark.parametrize(
    ("line", "stops_at_first"),
    [
        ("!!!!!!!!!! Interrupted: 1 error during collection !!!!!!!!!!", False),
        ("!!!!!!!!!! stopping after 1 failures !!!!!!!!!!", True),
        ("!!!!!!!!!! xdist.dsession.Interrupted: stopping after 1 failures !!!!!!!!!!", True),
        ("Test Suites: 1 failed, 1 of 3 total", True),
        ("[INFO] web ............. SKIPPED", False),
    ],
)
def test_what_leaves_tests_out_says_whether_it_stops_at_the_first(
    line: str, stops_at_first: bool
) -> None:
    report = read_report(f"{line}\n")
    assert (report.cut_short, report.stops_at_first) == (True, stops_at_first)


@pytest.mark.parametrize(
    ("command", "stops_at_first"),
    [
        ("pytest -q -x", True),
        ("python -m pytest -vxs tests", True),
        ("pytest --maxfail=2", True),
        ("npx jest --bail", True),
        ("go test -failfast ./...", True),
        ("mvn --fail-fast test", True),
        ("deno test --fail-fast", True),
        ('sh -c "cd web && npx jest --bail"', True),
        ("(cd api && bundle exec rspec --fail-fast)", True),
        ("python manage.py test --failfast; ./stop.sh", True),
        ("pytest -xn4", True),
        ("npx jest --bail 1", True),
        ("npx jest --bail 0", False),
        ("npx vitest run --bail=0", False),
        ("pytest -rx", False),
        ("pytest -kexample", False),
        ("pytest -pxdist -q", False),
        ("pytest --maxfail=0", False),
        ("tar -x a; pytest", False),
        ("pytest -q; tar -x a", False),
    ],
)
def test_a_command_says_that_it_ends_early(command: str, stops_at_first: bool) -> None:
    assert read_report("", command).stops_at_first is stops_at_first
