"""Changes that script the checks they are judged by, and what validation finds of it."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio

from graph import Environment
from graph.values import Check, Validation, commands_of
from sandbox.changes.parse_diff import file_diffs
from sandbox.checks.restore_base_tests import restore_base_tests, touches_base_tests
from sandbox.checks.service import SandboxChecks
from sandbox.core.prepared_sandbox import PreparedSandbox
from tests.support.graph.environments import environment_of
from tests.support.needed_programs import needs
from tests.support.sandbox.sample_run import RUN, SampleRun, git, sample_run
from tests.support.sandbox.watched_sandboxes import WatchedSandboxes

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

UNITTEST = "python3 -m unittest discover -s tests -t ."
TEST = """\
import unittest

from app import add
from tests.helper import same


class AddTest(unittest.TestCase):
    def test_adds(self):
        self.assertTrue(same(add(1, 2), 3))
"""
FILES: dict[str, str | bytes] = {
    "app.py": "def add(a, b):\n    return a + b\n",
    "tests/__init__.py": "",
    "tests/helper.py": "def same(a, b):\n    return a == b\n",
    "tests/test_app.py": TEST,
    "package.json": '{"scripts": {"test": "python3 -m unittest discover -s tests -t ."}}\n',
    "Makefile": f"test:\n\t{UNITTEST}\n",
    "ci/check.sh": f"{UNITTEST}\n",
    "pyproject.toml": "[tool.pytest.ini_options]\n",
    "conftest.py": "",
    "ci/prepare.sh": "true\n",
    "imports.py": "import app  # noqa: F401\n" + "x = 1\n" * 20,
}
_LIST_TESTS = "find tests -type f | LC_ALL=C sort | cat -v"
BREAK = "sed -i 's/a + b/a - b/' app.py"
ADDS = "test_adds (tests.test_app.AddTest.test_adds)"


@dataclass
class Bench:
    """One run for all changes, each a step of its own."""

    run: SampleRun
    watched: WatchedSandboxes
    step: int = 0

    async def validate(
        self, script: str, *commands: str, source: str = "repository", setup: tuple[str, ...] = ()
    ) -> Validation:
        self.step += 1
        self.watched.opened.clear()
        change = await self.run.make_change(script, self.step)
        diff = self.run.folder.diff(self.step)
        diff.parent.mkdir(exist_ok=True)
        shutil.copy(self.run.folder.patch(change), diff)
        asked = tuple(Check.model_validate({"command": c, "source": source}) for c in commands)
        checks = SandboxChecks(runs=self.run.runs, sandboxes=self.watched)
        base, deadline = self.run.base, time.time() + 60
        found = await checks.validate(RUN, base, change, asked, environment_of(setup), deadline)
        assert self.run.trees() == []
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench(module_dir: Path) -> AsyncIterator[Bench]:
    run = await asyncio.to_thread(sample_run, module_dir, FILES)
    watched = WatchedSandboxes(run.sandboxes)
    yield Bench(replace(run, sandboxes=watched), watched)


LEFT = "printf 'import unittest\\nclass Left(unittest.TestCase):\\n def test(self): pass\\n' > "
"""A test that holds anyway: without any, unittest of Python 3.12 fails by itself."""
EMPTY = f"mkdir none && touch none/__init__.py && {LEFT} none/test_left.py"
TRICKS = {
    "an assertion": ("sed -i 's/assertTrue(.*/assertTrue(1)/' tests/test_app.py", UNITTEST),
    "a helper": ("echo 'def same(a, b): return True' > tests/helper.py", UNITTEST),
    "a skip": (
        f"sed -i 's/    def test/    @unittest.skip\\n&/' tests/test_app.py; {LEFT}tests/test_b.py",
        UNITTEST,
    ),
    "a test removed": (
        f"sed -i '/def test/,$d; s/^cl.*/&\\n x = 1/' tests/test_app.py; {LEFT} tests/test_b.py",
        UNITTEST,
    ),
    "a file removed": (f"rm tests/test_app.py; {LEFT} tests/test_b.py", UNITTEST),
    "the folder replaced": (f"rm -r tests; {EMPTY}; ln -s none tests", UNITTEST),
    "the caller's script of npm": ("sed -i 's/python3.*tests -t ./true/' package.json", "npm test"),
    "a target of make": ("printf 'test:\\n\\ttrue\\n' > Makefile", "make test"),
    "a makefile before it": ("printf 'test:\\n\\ttrue\\n' > GNUmakefile", "make test"),
    "the caller's script": ("echo true > ci/check.sh", "sh ci/check.sh"),
    "a module in front": ("echo 'raise SystemExit' > unittest.py", UNITTEST),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    "trick", [pytest.param(name, marks=needs(TRICKS[name][1].split()[0])) for name in TRICKS]
)
async def test_what_passes_by_a_trick_alone_is_found(bench: Bench, trick: str) -> None:
    script, command = TRICKS[trick]
    source = "caller" if "caller" in trick else "repository"
    found = await bench.validate(f"{BREAK}; {script}", command, source=source)
    assert found.status == "passed"  # the control: the trick works on the check itself
    (finding,) = [each for each in found.findings if each.rule == "base_tests"]
    assert f"`{command}` passes with the change's tests" in finding.message
    assert ADDS in finding.message
    tests_too = "tests/" in script or "rm -r tests" in script
    assert finding.severity == ("warning" if tests_too else "error")


async def test_a_name_that_is_no_text_hides_no_configuration(bench: Bench) -> None:
    """What a runner would load from there is taken away as from any other folder."""
    odd = r"tests/$'\xff'"
    script = f"mkdir {odd} && touch {odd}/conftest.py {odd}/notes.txt; touch tests/$'caf\\xe9'.toml"
    base, run = bench.run.base, bench.run
    change = await run.make_change(script, 90)
    tree = run.tree_outside(run.folder.patch(change).read_bytes())
    readable = ("-c", "core.quotePath=false", "diff", base.sha, tree)
    diff = file_diffs(git(run.folder.base_git, *readable))
    sandbox = await run.open("odd", change)
    before = (await sandbox.run(_LIST_TESTS)).text.split("\n")
    await restore_base_tests(sandbox, base, diff, commands_of([UNITTEST]))
    after = (await sandbox.run(_LIST_TESTS)).text.split("\n")
    await run.sandboxes.discard(RUN, "odd")
    assert {"tests/M-^?/conftest.py", "tests/cafM-i.toml"} < {*before}
    assert list(filter(None, after)) == sorted(path for path in FILES if path.startswith("tests/"))


@pytest.mark.parametrize(
    ("script", "rule"),
    [
        ("rm tests/test_app.py", "test_deleted"),
        ("sed -i 's/test_adds/try_adds/' tests/test_app.py", "test_removed"),
        ("sed -i '/self.assert/s/.*/        pass/' tests/test_app.py", "assertions_removed"),
        ("sed -i 's/    def test/    @unittest.skip\\n&/' tests/test_app.py", "test_skipped"),
        ("sed -i 's/b$/b  # type: ignore/' app.py", "check_silenced"),
    ],
)
async def test_weakened_tests_are_found_by_patterns(bench: Bench, script: str, rule: str) -> None:
    found = await bench.validate(script, "true")
    (finding,) = [each for each in found.findings if each.rule == rule]
    assert (finding.severity, finding.path[-3:]) == ("warning", ".py")


@pytest.mark.parametrize(("code", "rules"), [("F401", []), ("F811", ["check_silenced"])])
async def test_a_check_silenced_as_elsewhere_in_the_file_is_no_finding(
    bench: Bench, code: str, rules: list[str]
) -> None:
    found = await bench.validate(f"echo 'import app  # noqa: {code}' >> imports.py", "true")
    assert [finding.rule for finding in found.findings] == rules


async def test_a_say_in_set_up_is_told(bench: Bench) -> None:
    """Restored after set-up, the tests are the base's; what is installed is the change's."""
    setup = ("sh ci/prepare.sh",)
    helper = "echo 'def same(a, b): return True' > tests/helper.py"
    spoil = f'echo "{helper}" > ci/prepare.sh; echo x > requirements.txt'
    found = await bench.validate(
        f"{BREAK}; {spoil}; echo '#' >> Makefile", "make test", setup=setup
    )
    told = [(f.rule, f.path) for f in found.findings if f.rule == "set_up"]
    assert told == [("set_up", "ci/prepare.sh"), ("set_up", "requirements.txt")]
    assert ADDS in found.findings[-1].message
    found = await bench.validate(f"{spoil}; touch x", "true")
    assert found.findings == ()


async def test_an_honest_change_has_no_findings_and_is_proven_alone(bench: Bench) -> None:
    new = "sed 's/AddTest/MoreTest/' tests/test_app.py > tests/test_more.py"
    found = await bench.validate(f"echo '# more' >> app.py; {new}", UNITTEST)
    assert (found.status, found.findings) == ("passed", ())
    assert bench.watched.opened == ["making", "validate", "proof", "proof"]  # with it, without it


async def test_tests_that_are_changed_and_still_hold_are_no_difference(bench: Bench) -> None:
    more = "echo '# more' | tee -a tests/test_app.py conftest.py Makefile"
    found = await bench.validate(more, UNITTEST, "make test")
    assert (found.status, found.findings) == ("passed", ())
    assert bench.watched.opened == ["making", "validate", "judge"]


async def test_what_fails_on_the_base_too_is_no_difference(bench: Bench) -> None:
    found = await bench.validate("echo '# more' >> conftest.py", UNITTEST, "exit 4")
    assert (found.status, found.findings) == ("passed", ())
    assert found.known_failures == ("exit 4",)


async def test_a_change_that_bars_the_way_back_is_told(bench: Bench) -> None:
    setup = ("sh ci/prepare.sh",)
    bar = "echo 'chmod 500 /tmp' > ci/prepare.sh; echo '#' >> conftest.py"
    found = await bench.validate(bar, "true", setup=setup)
    finding = found.findings[-1]
    assert (finding.rule, finding.severity) == ("base_tests", "error")
    assert "cannot be put back" in finding.message


async def test_a_check_of_the_plan_is_not_held_against_the_base(bench: Bench) -> None:
    found = await bench.validate(
        "echo '# x' >> conftest.py; touch new", "test -e new", source="plan"
    )
    assert (found.status, found.findings) == ("passed", ())


async def test_what_fails_anyway_is_not_run_twice(bench: Bench) -> None:
    found = await bench.validate(f"{BREAK}; echo '# x' >> conftest.py", UNITTEST)
    assert (found.status, found.new_failures) == ("failed", (ADDS,))
    assert "judge" not in bench.watched.opened


async def test_all_of_tests_and_configuration_is_as_in_the_base(bench: Bench) -> None:
    script = (
        "echo x > conftest.py; echo x >> pyproject.toml; rm package.json; mkdir sub; "
        "echo x > sub/conftest.py; echo x > 'tests/n ew\"o\nd.py'; mv tests/helper.py other.py; "
        "mkdir -p tests/helper.py/deep; touch tests/helper.py/deep/x; chmod +x tests/test_app.py; "
        "echo x > pytest.ini; echo kept > src.py; sed -i s/add/sum/ app.py; git add -A"
    )
    change = await bench.run.make_change(script, 900)
    diff = file_diffs(bench.run.folder.patch(change).read_text())
    sandbox = await bench.run.open("restored", change)
    await restore_base_tests(sandbox, bench.run.base, diff, commands_of(["sh ci/check.sh"]))
    told = await sandbox.run("git add -A; git diff --cached --name-status HEAD")
    await bench.run.sandboxes.discard(RUN, "restored")
    assert told.text.split() == ["M", "app.py", "A", "other.py", "A", "src.py"]


@pytest.mark.slow
@pytest.mark.parametrize("program", ["git", "xargs", "rm"])
async def test_no_program_that_set_up_installed_puts_them_back(bench: Bench, program: str) -> None:
    """A change may add a dependency that brings a program of that name."""
    change = await bench.run.make_change("touch tests/conftest.py; rm package.json", 900)
    diff = file_diffs(bench.run.folder.patch(change).read_text())
    sandbox = await bench.run.open("restored", change)
    plant = f"mkdir /tmp/venv; ln -s /bin/true /tmp/venv/{program}"
    assert (await sandbox.run(plant)).exit_code == 0
    prepared = PreparedSandbox(sandbox, Environment(paths={"": ("/tmp/venv",)}))
    await restore_base_tests(prepared, bench.run.base, diff, ())
    told = await sandbox.run("git add -A; git diff --cached --name-only HEAD")
    await bench.run.sandboxes.discard(RUN, "restored")
    assert told.text == ""


@pytest.mark.parametrize(
    ("path", "touched"),
    [
        ("tests/new.py", False), ("app.py", False), ("docs/a.md", False), ("Cargo.toml", False),
        (".github/workflows/ci.yml", False), ("sub/conftest.py", True), ("pytest.ini", True),
        ("web/package.json", True), ("build.mk", True), ("node_modules/.bin/jest", True),
        ("pytest.py", True), ("src/unittest/__init__.py", True), ("ci/check.sh", True),
        ("tools/run", True), ("my pkg/json.py", True), ("my pkg/src/json.py", True),
        ("pkg/json.py", False), ("my pkg/run-tests", True), ("run-tests", False),
        ("my tools/all", True), ("ci/lint.py", True),
        (".npmrc", True), (".cargo/config.toml", True), ("gradlew", True),
    ],
)  # fmt: skip
async def test_added_files_that_steer_checks(path: str, touched: bool) -> None:
    head = f"diff --git a/{path} b/{path}\nnew file mode 100644\n--- /dev/null\n+++ b/{path}\n"
    commands = [
        *("bash -e ci/check.sh", "tools/run --all", "grep -q x app.py", "./gradlew test"),
        *("cd 'my pkg' && python3 -m pytest -q", "cd 'my pkg' && ./run-tests"),
        *("A=1 'my tools/all'; true", "python3 -B ci/lint.py"),
    ]
    assert touches_base_tests(file_diffs(head), commands_of(commands)) is touched
