"""Which checks can say that code holds: tests that ran, and no others in their place."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from graph.environment import NO_ENVIRONMENT
from graph.values import Check, Validation
from sandbox.changes.parse_diff import FileDiff
from sandbox.checks.base_results import BaseResults
from sandbox.checks.could_start import is_folder_gone
from sandbox.checks.judge import outcomes_of
from sandbox.checks.service import SandboxChecks
from sandbox.core.protocol import TreeSpec
from tests.support.sandbox.sample_run import RUN, SampleRun, sample_run

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

NONE_RAN = {
    "pytest": "3 skipped in 0.01s",
    "pytest -k nothing || true": "3 deselected in 0.01s",
    "python3 -m unittest": "Ran 0 tests in 0.000s\n\nOK",
    "python3 -m unittest discover": "Ran 2 tests in 0.000s\n\nOK (skipped=2)",
    "go test ./...": "?   \texample.com/a\t[no test files]",
    "cargo test": "running 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored",
    "cargo nextest run": "     Summary [   0.001s] 0 tests run: 0 passed, 4 skipped",
    "npx jest --passWithNoTests": "No tests found, exiting with code 0",
    "npx vitest run": "No test files found, exiting with code 0",
    "npx mocha": "\n  0 passing (1ms)",
    "rspec": "No examples found.\n\nFinished in 0.0003 seconds\n0 examples, 0 failures",
    "mvn test": "[INFO] No tests to run.",
}
SOME_RAN = {
    "pytest": "1 passed, 3 skipped in 0.01s",
    "python3 -m unittest": "Ran 2 tests in 0.000s\n\nOK (skipped=1)",
    "cargo test": "test result: ok. 0 passed; 0 failed; 0 ignored\n\ntest a ... ok\n"
    "test result: ok. 1 passed; 0 failed; 0 ignored",
    "cargo nextest run && cargo test --doc": "     Summary [   0.012s] 500 tests run: 500 passed, "
    "0 skipped\n   Doc-tests a\n\nrunning 0 tests\n\ntest result: ok. 0 passed; 0 failed",
    "go test ./...": "?   \tb/a\t[no test files]\nok  \tb/c\t0.001s",
    "our-runner test": "57 tests in 1.2s",
    "make test": "test result: ok. 0 passed; 0 failed; 0 ignored",
    "npm test": "fine",
}
"""And commands of which it cannot be known."""


@pytest.fixture(scope="module")
def run(module_dir: Path) -> SampleRun:
    files: dict[str, str | bytes] = {
        "front/package.json": "{}",
        "front/app.js": "1\n",
        "back/requirements.txt": "flask\n",
        "back/app.py": "1\n",
        "back/test_app.py": "1\n",
    }
    return sample_run(module_dir, files)


def said(command: str, output: str) -> str:
    """A command that calls a runner by its words, and prints what one prints."""
    return f"printf '{output}\\n' # {command}"


async def validate(run: SampleRun, step: int, script: str, *checks: Check) -> Validation:
    change = await run.make_change(script, step)
    diff = run.folder.diff(step)
    diff.parent.mkdir(exist_ok=True)
    diff.write_bytes(run.folder.patch(change).read_bytes())
    service = SandboxChecks(runs=run.runs, sandboxes=run.sandboxes)
    until = time.time() + 60
    return await service.validate(RUN, run.base, change, checks, NO_ENVIRONMENT, until)


@pytest.mark.parametrize("command", NONE_RAN)
async def test_a_check_that_ran_no_test_validates_nothing(run: SampleRun, command: str) -> None:
    step = 1 + list(NONE_RAN).index(command)
    check = Check(command=said(command, NONE_RAN[command]), source="repository")
    found = await validate(run, step, "echo 2 > new.txt", check)
    assert (found.status, found.new_failures) == ("unavailable", ())
    (finding,) = found.findings
    assert (finding.rule, command in finding.message) == ("nothing_ran", True)


@pytest.mark.parametrize("command", SOME_RAN)
async def test_a_check_of_which_some_test_may_have_run_counts(run: SampleRun, command: str) -> None:
    step = 101 + list(SOME_RAN).index(command)
    check = Check(command=said(command, SOME_RAN[command]), source="repository")
    found = await validate(run, step, "echo 2 > new.txt", check)
    assert (found.status, found.findings) == ("passed", ())


TESTS = Check(command="exit 5 # pytest", source="repository", main=True)
LINT = Check(command="true # ruff", source="repository", kind="lint")
PLANNED = Check(command="true # pytest", source="plan")
PLANNED_TESTS = Check(command="echo 1 passed in 0.1s # pytest", source="plan")
ASKED = Check(command="true", source="caller")
SUMMARY = "=== short test summary info ===\nFAILED test_a.py::b - x\n1 failed in 0.1s\n"
MASKED = Check(
    command=f"[ ! -e new.txt ] || printf '{SUMMARY}' # pytest", source="repository", main=True
)
ENDS_FIRST = Check(command=f"printf '{SUMMARY}'; false # pytest -x", source="repository", main=True)
MISSING = Check(command="no-such-program pytest", source="repository", main=True)


TOGETHER: list[tuple[tuple[Check, ...], str]] = [
    ((MISSING, LINT), "unavailable"),
    ((TESTS, LINT), "unavailable"),
    ((MISSING, PLANNED), "unavailable"),
    ((MISSING, PLANNED_TESTS), "passed"),
    ((MISSING, ASKED), "passed"),
    ((MASKED, ASKED), "unavailable"),
    ((ENDS_FIRST, ASKED), "unavailable"),
    ((LINT,), "passed"),
    ((PLANNED,), "passed"),
]


@pytest.mark.parametrize("number", range(len(TOGETHER)))
async def test_nothing_takes_the_place_of_tests_that_say_nothing(
    run: SampleRun, number: int
) -> None:
    checks, status = TOGETHER[number]
    found = await validate(run, 201 + number, "echo 2 > new.txt", *checks)
    assert found.status == status


async def test_a_check_that_fails_as_a_whole_covers_nothing(run: SampleRun) -> None:
    back = Check(command="exit 5 # pytest", source="repository", folder="back")
    lint = LINT.model_copy(update={"folder": "back"})
    front = Check(command=": npm test", source="repository", folder="front")
    found = await validate(run, 301, "echo 2 >> back/app.py", back, lint, front)
    assert (found.status, found.known_failures) == ("unavailable", (back.shell,))
    assert [(each.rule, each.path) for each in found.findings] == [("not_covered", "back/app.py")]


async def test_a_package_that_is_removed_needs_no_check_of_its_own(run: SampleRun) -> None:
    back = Check(command="ls app.py # pytest", source="repository", folder="back")
    whole = Check(command="! test -e back/app.py", source="repository", main=True)
    found = await validate(run, 302, "rm -r back", back, whole)
    assert (found.status, found.new_failures) == ("passed", ())
    assert [report.status for report in found.commands] == ["unavailable", "passed"]
    found = await validate(run, 303, "rm back/app.py", back)
    assert (found.status, found.new_failures) == ("failed", (back.shell,))


class Walked(list[FileDiff]):
    """Files of a change, which count how often they are gone through."""

    times = 0

    def __iter__(self) -> Iterator[FileDiff]:
        self.times += 1
        return super().__iter__()


async def test_what_many_files_leave_does_not_hold_up_the_service(run: SampleRun) -> None:
    gone = (f"gone/{number}" for number in range(1000))
    files = Walked(FileDiff("", path, "deleted", "", (), ()) for path in gone)
    checks = [
        Check(command="true", source="repository", folder=f"p{number}") for number in range(120)
    ]
    sandbox = await run.open("many")
    on_base = BaseResults(run.runs, run.sandboxes, RUN, TreeSpec("base-many", run.base))
    outcomes = await outcomes_of(sandbox, checks, on_base, 0, files)
    assert files.times == 1, "once for all checks"
    assert not any(outcome.gone for outcome in outcomes)


REMOVES = {
    "its folder": 'rm -r "$PWD"',
    "what git goes by": 'rm -rf "$(git rev-parse --absolute-git-dir)"',
}


@pytest.mark.parametrize("what", REMOVES)
async def test_a_check_is_not_gone_as_its_run_removes(run: SampleRun, what: str) -> None:
    command = f"[ -e app.py ] || {{ {REMOVES[what]}; exit 1; }}"
    back = Check(command=command, source="repository", folder="back", main=True)
    whole = Check(command="true # pytest", source="repository")
    found = await validate(run, 304 + list(REMOVES).index(what), "rm back/app.py", back, whole)
    assert (found.status, found.new_failures) == ("failed", (back.shell,))


async def test_nothing_is_folder_gone_where_git_cannot_be_asked(run: SampleRun) -> None:
    sandbox = await run.open("asked")
    back, gone = (
        Check(command="true", source="repository", folder=folder) for folder in ("back", "gone")
    )
    assert (await is_folder_gone(sandbox, back), await is_folder_gone(sandbox, gone)) == (
        False,
        True,
    )
    await sandbox.run(REMOVES["what git goes by"])
    assert not await is_folder_gone(sandbox, gone)


REPORT = "echo '=== short test summary info ==='; echo 'FAILED test_app.py::test_a'"


@pytest.mark.parametrize(
    ("before", "status"), [("echo 1 passed in 0.1s", "unavailable"), (REPORT, "passed")]
)
async def test_failures_behind_a_passing_exit_code_are_told(
    data_dir: Path, before: str, status: str
) -> None:
    run = sample_run(data_dir, {"said.txt": f"{before}\n"})
    check = Check(command="bash said.txt | tee log", source="caller")
    found = await validate(run, 1, f"echo {REPORT!r} > said.txt; echo 2 > new.txt", check)
    assert (found.status, found.commands[0].status) == (status, "passed")
    told = [finding.rule for finding in found.findings]
    assert told == (["masked"] if status == "unavailable" else [])


RETRIED = {
    "surefire": (
        "[ERROR] demo.A.flakes -- Time elapsed: 0.1 s <<< FAILURE!",
        "[WARNING] Tests run: 1, Failures: 0, Errors: 0, Skipped: 0, Flakes: 1",
        "demo.A.flakes",
    ),
    "gradle": ("ATest > flakes() FAILED", "ATest > flakes() PASSED", "ATest > flakes()"),
}


@pytest.mark.parametrize("runner", RETRIED)
@pytest.mark.parametrize("always", [False, True])
async def test_what_a_runner_itself_tries_again_is_flaky(
    data_dir: Path, runner: str, always: bool
) -> None:
    fails, passes, name = RETRIED[runner]
    when = "-e new.txt" if always else "-e new.txt -a ! -e /tmp/tried"
    script = f"if [ {when} ]; then touch /tmp/tried; echo '{fails}'; fi\necho '{passes}'\n"
    run = sample_run(data_dir, {"run.sh": script})
    check = Check(command="bash run.sh", source="caller")
    found = await validate(run, 1, "echo 2 > new.txt", check)
    told = [finding.rule for finding in found.findings]
    wanted = ("unavailable", (), ["masked"]) if always else ("passed", (name,), [])
    assert (found.status, found.flaky, told) == wanted
