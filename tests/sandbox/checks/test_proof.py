"""The tests of a change over the base's sources: what they show of it."""

import shutil
import time
from pathlib import Path
from shlex import quote

import pytest

from graph.values import Check, Proof, Validation
from sandbox.backends.base.backend import BackendOptions
from sandbox.backends.bubblewrap.backend import Bubblewrap
from sandbox.checks.service import SandboxChecks
from sandbox.core.protocol import Limits
from tests.support.graph.environments import environment_of
from tests.support.needed_programs import needs
from tests.support.sandbox.sample_run import RUN, SampleRun, sample_run

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

PYTEST = "python3 -m pytest -q"
UNITTEST = "python3 -m unittest discover -s tests -t ."
OLD = "from app import add\n\n\ndef test_old():\n    assert add(1, 1) == 2\n"
OLD_UNITTEST = """\
import unittest
import app

class OldTest(unittest.TestCase):
    def test_old(self):
        self.assertEqual(app.add(1, 1), 2)
"""
DOCTEST = """\
def add(a, b):
    return a + b


def sub(a, b):
    return a - b


def test_adds():
    assert add(1, 1) == 2
"""
FILES: dict[str, str | bytes] = {
    "app.py": "def add(a, b):\n    return abs(a) + b\n",
    "README.md": "1\n",
    "src/lib.rs": "fn a() {}\n",
    "inside.py": DOCTEST,
    "sum.js": "exports.add = (a, b) => Math.abs(a) + b;\n",
    "tests/__init__.py": "",
    "tests/test_old.py": OLD,
    "tests/test_unit.py": OLD_UNITTEST,
}
FIX = "sed -i 's/abs(a)/a/' app.py; printf 'def twice(a):\\n    return 2 * a\\n' >> app.py"
PROVES = "printf '\\n\\ndef test_negative():\\n    assert add(-1, 1) == 0\\n' >> tests/test_old.py"
DECORATED = (
    'printf \'\\n\\n@__import__("pytest").mark.filterwarnings("error")\\n'
    "def test_negative():\\n    assert add(-1, 1) == 0\\n' >> tests/test_old.py"
)
IDLE = "printf '\\n\\ndef test_idle():\\n    assert add(1, 2) == 3\\n' >> tests/test_old.py"
IMPORTS = (
    "printf 'from app import twice\\n\\ndef test_twice():\\n    assert twice(1) == 2\\n'"
    " > tests/test_new.py"
)
INSIDE = (
    "printf 'def test_in():\\n    from app import twice\\n\\n    assert twice(1) == 2\\n'"
    " > tests/test_in.py"
)
LONG = f"test_{'in_' * 30}side"
UNIT = (
    "printf '\\n    def test_negative(self):\\n        self.assertEqual(app.add(-1, 1), 0)\\n'"
    " >> tests/test_unit.py"
)
ONCE = (
    'printf \'\\n\\ndef test_once():\\n    open("made", "x").close()\\n\' >> tests/test_old.py;'
    " printf '    assert add(1, 2) == 3\\n' >> tests/test_old.py"
)
FLAKY = (
    "printf '\\n\\ndef test_flaky():\\n    from app import __dict__ as app\\n    import os\\n'"
    ' >> tests/test_old.py; printf \'    seen = os.path.exists("seen")\\n    open("seen", "w")\\n'
    '    assert seen or "twice" in app\\n\' >> tests/test_old.py'
)
LEAVES = (
    "printf '\\n\\ndef test_leaves():\\n    from app import __dict__ as app\\n    import os\\n'"
    " >> tests/test_old.py; printf '    os.path.exists(\"seen\") and os._exit(1)\\n'"
    ' >> tests/test_old.py; printf \'    open("seen", "w").close()\\n    assert "twice" in app\\n\''
    " >> tests/test_old.py"
)
EDITS = "sed -i 's/add(1, 1) == 2/add(-1, 1) == 0/' tests/test_old.py"


@pytest.fixture(scope="module")
def run(module_dir: Path, tools: Path) -> SampleRun:
    limits = Limits(timeout_s=60)
    options = BackendOptions(limits=limits, state=module_dir / "state", tool_paths=(tools,))
    return sample_run(module_dir, FILES, backend=Bubblewrap(options))


async def validate(
    run: SampleRun, install: str, step: int, script: str, *commands: str
) -> Validation:
    change = await run.make_change(script, step)
    diff = run.folder.diff(step)
    diff.parent.mkdir(exist_ok=True)
    shutil.copy(run.folder.patch(change), diff)
    checks = tuple(Check(command=command, source="repository") for command in commands)
    service = SandboxChecks(runs=run.runs, sandboxes=run.sandboxes)
    validation = await service.validate(
        RUN, run.base, change, checks, environment_of([install]), time.time() + 120
    )
    assert validation.status == "passed", validation
    return validation


NEGATIVE = "tests/test_old.py::test_negative"
CASES = {
    "a test that proves": (f"{FIX}; {PROVES}", PYTEST, {NEGATIVE: "failed"}, True),
    "a test that shows nothing": (
        f"{FIX}; {IDLE}",
        PYTEST,
        {"tests/test_old.py::test_idle": "passed"},
        False,
    ),
    "one that cannot be imported": (
        f"{FIX}; {IMPORTS}",
        PYTEST,
        {"tests/test_new.py::test_twice": "not_importable"},
        False,
    ),
    "one that imports inside": (
        f"{FIX}; {INSIDE}",
        PYTEST,
        {"tests/test_in.py::test_in": "not_importable"},
        False,
    ),
    "one that imports inside, and has a long name": (
        f"{FIX}; {INSIDE.replace('test_in(', f'{LONG}(')}",
        PYTEST,
        {f"tests/test_in.py::{LONG}": "not_importable"},
        False,
    ),
    "unittest's that imports inside": (
        f"{FIX}; {UNIT.replace('self.assert', 'from app import twice; self.assert')}",
        UNITTEST,
        {"test_negative (tests.test_unit.OldTest.test_negative)": "not_importable"},
        False,
    ),
    "an edited one": (f"{FIX}; {EDITS}", PYTEST, {"tests/test_old.py::test_old": "failed"}, True),
    "one with a decorator": (f"{FIX}; {DECORATED}", PYTEST, {NEGATIVE: "failed"}, True),
    "unittest's": (
        f"{FIX}; {UNIT}",
        UNITTEST,
        {"test_negative (tests.test_unit.OldTest.test_negative)": "failed"},
        True,
    ),
    "one that passes once in a tree": (
        f"{FIX}; {ONCE}",
        PYTEST,
        {"tests/test_old.py::test_once": "passed"},
        False,
    ),
    "one that fails the first time": (
        f"{FIX}; {FLAKY}",
        PYTEST,
        {"tests/test_old.py::test_flaky": "passed"},
        False,
    ),
    "one that is told of the first time alone": (
        f"{FIX}; {LEAVES}",
        PYTEST,
        {"tests/test_old.py::test_leaves": "missing"},
        False,
    ),
    "none": (FIX, PYTEST, {}, False),
}


SLOW = {
    "one that passes once in a tree",
    "one that fails the first time",
    "one that is told of the first time alone",
}


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=pytest.mark.slow) if case in SLOW else case for case in CASES],
)
async def test_tests_are_run_without_the_rest_of_the_change(
    run: SampleRun, install: str, case: str
) -> None:
    script, command, without, shown = CASES[case]
    validation = await validate(run, install, list(CASES).index(case) + 1, script, command)
    proof = validation.proof
    assert proof
    assert {test.id: test.without_change for test in proof.tests} == without
    assert {test.with_change for test in proof.tests} <= {"passed"}
    assert proof.shown == shown


RUNS_NODE = "node --test --test-reporter=tap"
NODE_ADDS = (
    "sed -i 's/Math.abs(a)/a/' sum.js; printf '%s\\n' 'const { add } = require(\"./sum\");'"
    " 'const { test } = require(\"node:test\");' 'test(\"adds what is negative\", () => {'"
    " '  require(\"node:assert\").equal(add(-1, 1), 0);' '});' > sum.test.js"
)
NODE_MISSES = (
    "echo 'exports.twice = (a) => 2 * a;' > twice.js; printf '%s\\n'"
    ' \'const { twice } = require("./twice"), { test } = require("node:test");\''
    ' \'test("twice", () => require("node:assert").equal(twice(1), 2));\' > twice.test.js'
)
WHOLES = {
    "a file that cannot be loaded": (
        NODE_MISSES,
        f"{RUNS_NODE} twice.test.js",
        "not_importable",
        False,
    ),
    "shell characters": (f"{FIX}; {UNIT}", f"true && {UNITTEST}", "failed", True),
    "another runner": (NODE_ADDS, f"{RUNS_NODE} sum.test.js", "failed", True),
    "nothing shown": (f"{FIX}; {IDLE}", f"true && {PYTEST}", None, False),
}


@pytest.mark.slow
@needs("node")
@pytest.mark.parametrize("case", WHOLES)
async def test_a_command_that_cannot_be_narrowed_is_run_whole_without_the_change(
    run: SampleRun, install: str, case: str
) -> None:
    script, command, without, shown = WHOLES[case]
    validation = await validate(run, install, 200 + list(WHOLES).index(case), script, command)
    proof = validation.proof
    assert proof
    assert [(test.without_change, test.with_change) for test in proof.tests] == (
        [(without, "passed")] if without else []
    )
    assert (proof.shown, proof.not_tried) == (shown, ())


JUNIT = "@Test\nvoid negative() {\nassertEquals(0, add(-1, 1));\n}"
SPEC = "it 'adds %s' do\nexpect(add(-1, 1)).to eq(0)\nend"
MINITEST = "def test_negative\nassert_equal 0, add(-1, 1)\nend"
JEST = "test.each(rows)('adds %s and ${b}', () => {\nexpect(add(-1, 1)).toBe(0);\n});"
REPORTS = {
    "surefire": (
        "src/test/java/demo/SumTest.java",
        JUNIT,
        "[ERROR] demo.SumTest.negative -- Time elapsed: 0.011 s <<< FAILURE!",
        ("demo.SumTest.negative", "failed"),
    ),
    "javac": (
        "src/test/java/demo/SumTest.java",
        JUNIT,
        "[ERROR] /workspace/src/test/java/demo/SumTest.java:[8,39] cannot find symbol",
        ("/workspace/src/test/java/demo/SumTest.java: cannot find symbol", "not_importable"),
    ),
    "rspec": (
        "spec/sum_spec.rb",
        SPEC,
        "rspec ./spec/sum_spec.rb:8 # Sum adds one",
        ("./spec/sum_spec.rb Sum adds one", "failed"),
    ),
    "rspec, not loaded": (
        "spec/adds_spec.rb",
        SPEC,
        "An error occurred while loading ./spec/adds_spec.rb. - Did you mean?",
        ("./spec/adds_spec.rb", "not_importable"),
    ),
    "minitest": (
        "test/sum_test.rb",
        MINITEST,
        "  1) Failure:\nSumTest#test_negative [/workspace/test/sum_test.rb:8]:",
        ("SumTest#test_negative", "failed"),
    ),
    "test-unit": (
        "test/sum_test.rb",
        MINITEST,
        "Failure: test_negative(SumTest)",
        ("test_negative(SumTest)", "failed"),
    ),
    "jest": (
        "sum.test.js",
        JEST,
        "FAIL ./sum.test.js\n  ● adds -1 and 1",
        ("./sum.test.js > adds -1 and 1", "failed"),
    ),
    "jest, not loaded": (
        "adds.test.js",
        JEST,
        "FAIL ./adds.test.js\n  ● Test suite failed to run",
        ("./adds.test.js > Test suite failed to run", "not_importable"),
    ),
    "vitest, not loaded": (
        "adds.test.js",
        JEST,
        " FAIL  adds.test.js [ adds.test.js ]",
        ("adds.test.js [ adds.test.js ]", "not_importable"),
    ),
}
"""By runner: a file of tests, the test in it, what the runner says of that on the base."""


@pytest.mark.slow
@pytest.mark.parametrize("runner", REPORTS)
async def test_what_a_runner_reports_of_the_whole_is_the_proof(
    run: SampleRun, install: str, runner: str
) -> None:
    path, test, report, (failing, without) = REPORTS[runner]
    script = f"{FIX}; mkdir -p $(dirname {path}); printf %s {quote(test)} > {path}"
    command = f"if grep -q abs app.py; then printf %s {quote(report)}; exit 1; fi"
    step = 300 + list(REPORTS).index(runner)
    proof = (await validate(run, install, step, script, command)).proof
    assert proof
    told = [(each.id, each.without_change, each.with_change) for each in proof.tests]
    assert told == [(failing, without, "passed")]
    assert (proof.shown, proof.not_tried) == (without == "failed", ())


async def test_new_tests_without_a_name_are_told_as_not_tried(run: SampleRun, install: str) -> None:
    new = "printf 'from app import add\\n\\nassert add(-1, 1) == 0\\n' > tests/test_all.py"
    validation = await validate(run, install, 107, f"{FIX}; {new}; touch tests/help.py", "true")
    assert validation.proof == Proof(not_tried=("tests/test_all.py",))


async def test_what_has_no_code_needs_no_proof(run: SampleRun, install: str) -> None:
    validation = await validate(run, install, 101, "echo 2 >> README.md", PYTEST)
    assert validation.proof is None
    validation = await validate(run, install, 102, IDLE, PYTEST)
    assert validation.proof is None


@pytest.mark.slow
async def test_tests_inside_of_sources_and_of_other_runners_are_told_as_not_tried(
    run: SampleRun, install: str
) -> None:
    script = "printf '#[test]\\nfn works() {}\\n' >> src/lib.rs"
    validation = await validate(run, install, 103, script, "true")
    assert validation.proof == Proof(not_tried=("src/lib.rs",))
    edits = "printf '#[cfg(test)]\\nmod tests;\\n' >> src/lib.rs; printf '#[test]\\nfn a() {\\n"
    edits += "    assert!(true)\\n}\\n' > src/tests.rs"
    validation = await validate(run, install, 105, edits, "true")
    assert validation.proof == Proof(not_tried=("src/lib.rs", "src/tests.rs"))
    validation = await validate(run, install, 106, "sed -i 's/1, 1/2, 1/' inside.py", "true")
    assert validation.proof == Proof(not_tried=("inside.py",))
    validation = await validate(run, install, 104, f"{FIX}; {PROVES}", "true")
    assert validation.proof == Proof(not_tried=("tests/test_old.py",))
