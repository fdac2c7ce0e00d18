"""A repository of several packages: its checks are found, those near a change are run."""

import json
import time
from pathlib import Path

import pytest

from graph.environment import NO_ENVIRONMENT
from graph.machine.check_selection import near_checks
from graph.values import Check, Validation
from sandbox.checks.service import SandboxChecks
from sandbox.discovery.read_repository import read_repository
from sandbox.ecosystems.registry import MANIFESTS
from tests.support.needed_programs import needs
from tests.support.sandbox.sample_run import RUN, SampleRun, sample_run

pytestmark = pytest.mark.sandbox

PYTHON_TEST = """\
from unittest import TestCase

from app import add


class AddTest(TestCase):
    def test_adds(self) -> None:
        self.assertEqual(add(1, 2), 3)

    def test_is_wrong(self) -> None:
        self.assertEqual(add(1, 2), 4)
"""
NODE_TEST = """\
const { test } = require("node:test");
const assert = require("node:assert");
test("adds", () => assert.equal(require("./sum")(1, 2), 3));
test("is wrong", () => assert.equal(require("./sum")(1, 2), 4));
"""
FILES: dict[str, str | bytes] = {
    "Makefile": "test:\n\t@echo whole\n",
    "api/pyproject.toml": "[project]\nname = 'api'\n",
    "api/app.py": "def add(a, b):\n    return a + b\n",
    "api/test_app.py": PYTHON_TEST,
    "web/package.json": json.dumps({"scripts": {"test": "node --test"}}),
    "web/sum.js": "module.exports = (a, b) => a + b;\n",
    "web/sum.test.js": NODE_TEST,
}
API = "cd api && python3 -m unittest discover"
WEB = "cd web && CI=true npm test"


@pytest.fixture
def packages(data_dir: Path) -> SampleRun:
    """A run over a repository with a package of Python and one of JavaScript."""
    return sample_run(data_dir, FILES)


async def near(run: SampleRun, *paths: str) -> tuple[Check, ...]:
    checks = SandboxChecks(runs=run.runs, sandboxes=run.sandboxes)
    found = await checks.find(RUN, run.base, (), only=False)
    return near_checks(found.checks, paths)


async def validate(run: SampleRun, command: str, *paths: str) -> Validation:
    change = await run.make_change(command)
    checks = SandboxChecks(runs=run.runs, sandboxes=run.sandboxes)
    asked = await near(run, *paths)
    return await checks.validate(RUN, run.base, change, asked, NO_ENVIRONMENT, time.time() + 60)


async def test_the_check_of_the_package_that_is_changed_comes_first(packages: SampleRun) -> None:
    asked = [[check.shell for check in await near(packages, path)] for path in ("api/x", "y")]
    assert asked == [[API, "make test"], ["make test"]]
    repository = await read_repository(await packages.open("plan"), packages.base)
    assert [project.folder for project in repository.projects(MANIFESTS)] == ["", "api", "web"]


async def test_a_package_of_python_is_checked_in_its_folder(packages: SampleRun) -> None:
    validation = await validate(packages, "echo >> api/app.py", "api/app.py")
    assert validation.status == "passed"
    assert validation.known_failures == ("test_is_wrong (test_app.AddTest.test_is_wrong)",)
    validation = await validate(packages, "sed -i 's/a + b/a - b/' api/app.py", "api/app.py")
    assert validation.new_failures == ("test_adds (test_app.AddTest.test_adds)",)


@needs("npm")
async def test_a_package_of_javascript_is_checked_in_its_folder(packages: SampleRun) -> None:
    validation = await validate(packages, "sed -i 's/a + b/a - b/' web/sum.js", "web/sum.js")
    assert [report.shell for report in validation.commands] == [WEB, "make test"]
    assert (validation.status, len(validation.new_failures)) == ("failed", 1)
    assert "adds" in validation.new_failures[0]
    assert len(validation.known_failures) == 1
    assert "is wrong" in validation.known_failures[0]
