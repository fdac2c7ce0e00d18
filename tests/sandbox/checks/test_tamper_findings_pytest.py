"""Changes that talk a real pytest over without touching a test, and that validation finds."""

import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from graph.values import Check, commands_of
from sandbox.backends.base.backend import BackendOptions
from sandbox.backends.bubblewrap.backend import Bubblewrap
from sandbox.changes.parse_diff import file_diffs
from sandbox.checks.restore_base_tests import restore_base_tests, touches_base_tests
from sandbox.checks.service import SandboxChecks
from sandbox.core.protocol import ExecResult, Limits, Sandbox
from tests.support.graph.environments import environment_of
from tests.support.sandbox.sample_run import RUN, SampleRun, sample_run

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module")]

PYTEST = "python3 -m pytest -q"
BREAK = "sed -i 's/a + b/a - b/' src/app.py"
BROKEN_ALONE = " M src/app.py\n"
FILES: dict[str, str | bytes] = {
    "src/app.py": "def add(a, b):\n    return a + b\n",
    "tests/test_app.py": "from app import add\n\n\ndef test_adds():\n    assert add(1, 2) == 3\n",
    "tests/test_other.py": "def test_other():\n    pass\n",
    "pyproject.toml": '[tool.pytest.ini_options]\naddopts = "-ra"\n',
    "Makefile": f"test:\n\tPYTHONPATH=src {PYTEST}\n",
}
IN_SRC = f"PYTHONPATH=src {PYTEST}"
MAKE = "make test"


def option(words: str) -> str:
    return f"""sed -i 's|"-ra"|"{words}"|' pyproject.toml"""


def hook(code: str) -> str:
    return f"printf 'import pytest\\n{code}\\n' > conftest.py"


REWRITE = (
    "@pytest.hookimpl(wrapper=True)\\ndef pytest_runtest_makereport():\\n"
    '    report = yield\\n    report.outcome = "passed"\\n    return report'
)
SPARE = "def pytest_collection_modifyitems(items):\\n    items[:] = items[1:]"
EXIT = "def pytest_sessionfinish(session):\\n    session.exitstatus = 0"
PLUGIN = f"printf 'import pytest\\n{REWRITE}\\n' > planted.py"
FOUND = (
    "mkdir planted-1.dist-info; cd planted-1.dist-info; echo 'Name: planted' > METADATA;"
    " printf '[pytest11]\\nbent = planted\\n' > entry_points.txt"
)
QUIT = "printf 'import os\\nos._exit(0)\\n'"
TRICKS = {
    "an option that only collects": (option("--collect-only"), IN_SRC),
    "an option that selects others": (option("-k other"), IN_SRC),
    "an option that leaves a file out": (option("--ignore=tests/test_app.py"), IN_SRC),
    "an option that loads a plugin": (f"{option('-p planted')}; {PLUGIN}", IN_SRC),
    "names of files that are tests": (
        "echo 'python_files = \"test_other.py\"' >> pyproject.toml",
        IN_SRC,
    ),
    "a pytest.ini that wins": ("printf '[pytest]\\naddopts = --co\\n' > pytest.ini", IN_SRC),
    "a hidden one": ("printf '[pytest]\\naddopts = --co\\n' > .pytest.ini", IN_SRC),
    "one in TOML": ("printf '[pytest]\\naddopts = [\"--co\"]\\n' > .pytest.toml", IN_SRC),
    "a tox.ini once pyproject says nothing": (
        "echo > pyproject.toml; printf '[pytest]\\naddopts = --co\\n' > tox.ini",
        IN_SRC,
    ),
    "a setup.cfg once pyproject says nothing": (
        "echo > pyproject.toml; printf '[tool:pytest]\\naddopts = --co\\n' > setup.cfg",
        IN_SRC,
    ),
    "a hook that drops tests": (hook(SPARE), IN_SRC),
    "a hook that says how it ended": (hook(EXIT), IN_SRC),
    "a hook that rewrites results": (hook(REWRITE), IN_SRC),
    "a module that python loads": (f"{QUIT} > src/sitecustomize.py", IN_SRC),
    "a module in pytest's place": ("echo > pytest.py", IN_SRC),
    "a package in its place": ("mkdir pytest; touch pytest/__{init,main}__.py", IN_SRC),
    "a module of python's library": (f"{QUIT} > argparse.py", IN_SRC),
    "a package of its library": (f"mkdir src/json; {QUIT} > src/json/__init__.py", IN_SRC),
    "a module of pytest's own needs": (f"{QUIT} > iniconfig.py", IN_SRC),
    "a plugin that is found by itself": (f"{PLUGIN}; {FOUND}", IN_SRC),
    "options in the makefile": ("sed -i 's/PYTHON/PYTEST_ADDOPTS=--co &/' Makefile", MAKE),
}


@pytest.fixture(scope="module")
def run(module_dir: Path, tools: Path) -> SampleRun:
    limits = Limits(timeout_s=60)
    backend = Bubblewrap(
        BackendOptions(limits=limits, state=module_dir / "state", tool_paths=(tools,))
    )
    return sample_run(module_dir, FILES, backend=backend)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox(run: SampleRun, install: str) -> AsyncIterator[Sandbox]:
    """One tree for all tricks."""
    yield await run.open("live", None, install)


async def apply_trick(run: SampleRun, sandbox: Sandbox, command: str) -> bytes:
    done = await sandbox.run(f"git reset -q --hard; git clean -fdqx; {command}")
    assert done.exit_code == 0, done.text
    return await run.take(sandbox)


async def ended(sandbox: Sandbox, command: str) -> ExecResult:
    result = await sandbox.run(command)
    assert "No module named pytest" not in result.text
    return result


async def test_the_broken_change_fails_without_a_trick(run: SampleRun, sandbox: Sandbox) -> None:
    await apply_trick(run, sandbox, BREAK)
    for command in (IN_SRC, MAKE):
        assert "1 failed, 1 passed" in (await ended(sandbox, command)).text
    assert (await sandbox.run("git status --porcelain")).text == BROKEN_ALONE


@pytest.mark.slow
@pytest.mark.parametrize("trick", TRICKS)
async def test_what_talks_pytest_over_is_put_back(
    run: SampleRun, sandbox: Sandbox, trick: str
) -> None:
    trick_script, command = TRICKS[trick]
    patch = await apply_trick(run, sandbox, f"{BREAK}; {trick_script}")
    fooled = await ended(sandbox, command)
    assert fooled.exit_code == 0, fooled.text  # the control: plain pytest believes it
    files = file_diffs(patch.decode())
    assert touches_base_tests(files, commands_of([command]))
    await restore_base_tests(sandbox, run.base, files, commands_of([command]))
    left = (await sandbox.run("git status --porcelain --untracked-files=all")).text
    if left != BROKEN_ALONE:  # else it is the tree of the test above, and needs no second run
        judged = await ended(sandbox, command)
        assert "1 failed, 1 passed" in judged.text, judged.text


FORGES = (
    "printf 'for fd in range(3, 30):\\n  try:\\n    os.write(fd, b\"2 passed in 0.01s\\\\n\")\\n'"
    " >> src/app.py; printf '  except OSError:\\n    pass\\n' >> src/app.py"
)
ENDS = "printf 'os._exit(0)\\n' >> src/app.py"


@pytest.mark.parametrize(("forges", "found"), [("true", {"no_tests": "error"}), (FORGES, {})])
async def test_code_that_ends_the_process_before_its_tests_is_found(
    run: SampleRun, install: str, forges: str, found: dict[str, str]
) -> None:
    """By what is no longer told of tests; where that is forged, by a pattern alone."""
    step = 901 + len(found)
    script = f"{BREAK}; echo 'import os' >> src/app.py; {forges}; {ENDS}"
    change = await run.make_change(script, step)
    diff = run.folder.diff(step)
    diff.parent.mkdir(exist_ok=True)
    shutil.copy(run.folder.patch(change), diff)
    checks = SandboxChecks(runs=run.runs, sandboxes=run.sandboxes)
    asked, until = (Check(command=IN_SRC, source="repository"),), time.time() + 60
    validation = await checks.validate(
        RUN, run.base, change, asked, environment_of([install]), until
    )
    assert validation.status == "passed"  # the control: by its exit code alone
    told = {finding.rule: finding.severity for finding in validation.findings}
    assert told == {"runner_reached": "warning"} | found
