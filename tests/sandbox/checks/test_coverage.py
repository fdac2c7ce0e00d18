"""Code that no check can have touched is not validated."""

import time
from pathlib import Path

import pytest

from graph.environment import NO_ENVIRONMENT
from graph.values import Check, Validation
from sandbox.checks.service import SandboxChecks
from sandbox.core.protocol import Limits
from tests.support.sandbox.sample_run import RUN, SampleRun, sample_run

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

FILES: dict[str, str | bytes] = {
    "README.md": "1\n",
    "front/package.json": '{"name": "@our/shell"}',
    "front/app.js": "1\n",
    "back/requirements.txt": "flask\n",
    "back/app.py": "1\n",
    "back/static/menu.js": "1\n",
    "back/core/data.json": "1\n",
    "engine/Cargo.toml": "",
    "engine/src/lib.rs": "1\n",
    "tool.c": "1\n",
    "docs/requirements.txt": "sphinx\n",
    "tests/whole/data.json": "1\n",
    "docs/conf.py": "from back import core\n",
    "lone/requirements.txt": "flask\n",
    "lone/a.py": "1\n",
    "web/package.json": "{}",
    "web/n.js": "1\n",
    "use.py": "import json, app\nbanana, lone = 1, 2  # import\n",
    "use.js": 'import { a } from "@our/shell"\n',
}
JS, PY, RUST = ": npm test", ": python3 -m pytest", ": cargo test"
MISSING = "no-such-program"


@pytest.fixture(scope="module")
def run(module_dir: Path) -> SampleRun:
    return sample_run(module_dir, FILES, limits=Limits(timeout_s=30))


def check(command: str, folder: str = "") -> Check:
    return Check(command=command, source="repository", folder=folder)


async def validate(run: SampleRun, step: int, paths: str, *checks: Check) -> Validation:
    script = f"for f in {paths}; do mkdir -p $(dirname $f); echo 2 >> $f; done"
    change = await run.make_change(script, step)
    diff = run.folder.diff(step)
    diff.parent.mkdir(exist_ok=True)
    diff.write_bytes(run.folder.patch(change).read_bytes())
    service = SandboxChecks(runs=run.runs, sandboxes=run.sandboxes)
    until = time.time() + 60
    return await service.validate(RUN, run.base, change, checks, NO_ENVIRONMENT, until)


CASES = {
    "only the other package's check": ("back/app.py", "back/app.py", [check(JS, "front")]),
    "its own": ("back/app.py", "", [check(JS, "front"), check(PY, "back")]),
    "its own cannot start": (
        "back/app.py",
        "back/app.py",
        [check(PY), check(f"{MISSING} pytest", "back"), check(JS, "front")],
    ),
    "one for all in another": ("back/app.py", "back/app.py", [check(JS)]),
    "one for all in any": ("back/app.py engine/src/lib.rs front/app.js tool.c", "", [check(":")]),
    "documents and data": ("README.md back/core/data.json", "", [check(JS, "front")]),
    "a package without checks beside one": (
        "front/app.js engine/src/lib.rs",
        "engine/src/lib.rs",
        [check(JS, "front"), check(PY)],
    ),
    "a project among tests, for what is around it": (
        "tool.c back/app.py front/app.js",
        "front/app.js",
        [check(PY, "tests/whole")],
    ),
    "one among its own tests alone": ("tool.c", "tool.c", [check(PY, "back/tests/whole")]),
    "nothing but code of another language, in no package": (
        "jobs/run.py",
        "jobs/run.py",
        [check(JS)],
    ),
    "such code beside what the check is for": ("jobs/run.py menu.js", "", [check(JS)]),
    "assets": ("back/static/menu.js", "", [check(PY, "back")]),
    "an asset of a package of its own": ("front/app.js", "front/app.js", [check(PY)]),
    "a package that the change makes": (
        "tools/package.json tools/a.ts",
        "tools/a.ts",
        [check(PY)],
    ),
    "a language without an ecosystem": ("tool.c", "tool.c", [check(PY, "back")]),
    "what the caller asks for in whatever language": (
        "back/app.py",
        "",
        [Check(command=JS, source="caller")],
    ),
    "what the caller asks for": (
        "back/app.py",
        "",
        [Check(command="true", source="caller"), check(f"{MISSING} pytest", "back")],
    ),
}


INNER = {
    "a package whose code another file imports": ("back/app.py", "", [check(PY)]),
    "one whose folder another file imports": ("back/core/x.py", "", [check(PY)]),
    "one without a test, that nothing imports": ("lone/a.py", "lone/a.py", [check(PY)]),
    "such a one beside what is tested": ("lone/a.py use.py", "lone/a.py", [check(PY)]),
    "one that gets a test": ("lone/a.py lone/test_a.py", "", [check(PY)]),
    "one that the check around it lints": ("lone/a.py", "", [check(": ruff check .")]),
    "one that is imported by the package's name": ("front/app.js", "", [check(JS)]),
    "one of javascript that nothing imports": ("web/n.js", "web/n.js", [check(JS)]),
    "one that shows the project": ("docs/conf.py", "", [check(PY)]),
    "one that a check builds": ("engine/src/lib.rs", "", [check(RUST)]),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", INNER)
async def test_the_tests_around_a_package_touch_what_is_used_or_collected(
    run: SampleRun, case: str
) -> None:
    paths, left, checks = INNER[case]
    step = len(CASES) + len(NEEDED) + 1 + list(INNER).index(case)
    validation = await validate(run, step, paths, *checks)
    found = [finding.path for finding in validation.findings if finding.rule == "not_covered"]
    assert found == ([left] if left else [])
    assert validation.status == ("unavailable" if left else "passed")


@pytest.mark.parametrize("case", CASES)
async def test_a_change_is_validated_by_what_can_have_touched_it(run: SampleRun, case: str) -> None:
    paths, left, checks = CASES[case]
    validation = await validate(run, list(CASES).index(case) + 1, paths, *checks)
    found = [finding.path for finding in validation.findings if finding.rule == "not_covered"]
    assert found == ([left] if left else [])
    assert validation.status == ("unavailable" if left else "passed")
    assert validation.new_failures == ()


NEEDED: dict[str, tuple[str, list[Check], bool]] = {
    "documents": ("README.md docs/more.RST", [], False),
    "documents, and a check that is not there": ("README.md", [check(MISSING)], False),
    "documents, and what the caller asks for": (
        "README.md",
        [Check(command=MISSING, source="caller")],
        True,
    ),
    "a document and a list": ("README.md requirements.txt", [], True),
    "a document and code": ("README.md back/app.py", [], True),
}


@pytest.mark.parametrize("case", NEEDED)
async def test_documents_alone_need_no_check(run: SampleRun, case: str) -> None:
    paths, checks, needed = NEEDED[case]
    step = len(CASES) + 1 + list(NEEDED).index(case)
    validation = await validate(run, step, paths, *checks)
    assert (validation.status, validation.needed) == ("unavailable", needed)
