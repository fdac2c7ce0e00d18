"""The tests of a change over the base's sources: what they show of it."""

import shutil
import time
from pathlib import Path

import pytest

from graph.values import Check, Proof, Validation
from sandbox.backends.base.backend import BackendOptions
from sandbox.backends.bubblewrap.backend import Bubblewrap
from sandbox.checks.service import SandboxChecks
from sandbox.core.protocol import Limits
from tests.support.graph.environments import environment_of
from tests.support.needed_programs import needs
from tests.support.sandbox.sample_run import RUN, SampleRun, sample_run

pytestmark = pytest.mark.sandbox

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
FILES: dict[str, str | bytes] = {
    "app.py": "def add(a, b):\n    return abs(a) + b\n",
    "README.md": "1\n",
    "src/lib.rs": "fn a() {}\n",
    "sum.js": "exports.add = (a, b) => Math.abs(a) + b;\n",
    "tests/__init__.py": "",
    "tests/test_old.py": OLD,
    "tests/test_unit.py": OLD_UNITTEST,
}
FIX = "sed -i 's/abs(a)/a/' app.py; printf 'def twice(a):\\n    return 2 * a\\n' >> app.py"
PROVES = "printf '\\n\\ndef test_negative():\\n    assert add(-1, 1) == 0\\n' >> tests/test_old.py"
IDLE = "printf '\\n\\ndef test_idle():\\n    assert add(1, 2) == 3\\n' >> tests/test_old.py"
IMPORTS = (
    "printf 'from app import twice\\n\\ndef test_twice():\\n    assert twice(1) == 2\\n'"
    " > tests/test_new.py"
)
INSIDE = (
    "printf 'def test_in():\\n    from app import twice\\n\\n    assert twice(1) == 2\\n'"
    " > tests/test_in.py"
)
UNIT = (
    "printf '\\n    def test_negative(self):\\n        self.assertEqual(app.add(-1, 1), 0)\\n'"
    " >> tests/test_unit.py"
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
    "an edited one": (f"{FIX}; {EDITS}", PYTEST, {"tests/test_old.py::test_old": "failed"}, True),
    "unittest's": (
        f"{FIX}; {UNIT}",
        UNITTEST,
        {"test_negative (tests.test_unit.OldTest.test_negative)": "failed"},
        True,
    ),
    "none": (FIX, PYTEST, {}, False),
}


@pytest.mark.parametrize("case", CASES)
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
WHOLES = {
    "shell characters": (f"{FIX}; {UNIT}", f"true && {UNITTEST}", "failed", True),
    "another runner": (NODE_ADDS, f"{RUNS_NODE} sum.test.js", "failed", True),
    "nothing shown": (f"{FIX}; {IDLE}", f"true && {PYTEST}", None, False),
}


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


async def test_what_has_no_code_needs_no_proof(run: SampleRun, install: str) -> None:
    validation = await validate(run, install, 101, "echo 2 >> README.md", PYTEST)
    assert validation.proof is None
    validation = await validate(run, install, 102, IDLE, PYTEST)
    assert validation.proof is None


async def test_tests_inside_of_sources_and_of_other_runners_are_told_as_not_tried(
    run: SampleRun, install: str
) -> None:
    script = "printf '#[test]\\nfn works() {}\\n' >> src/lib.rs"
    validation = await validate(run, install, 103, script, "true")
    assert validation.proof == Proof(not_tried=("src/lib.rs",))
    validation = await validate(run, install, 104, f"{FIX}; {PROVES}", "true")
    assert validation.proof == Proof(not_tried=("tests/test_old.py",))
