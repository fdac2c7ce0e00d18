"""Small repositories of many shapes: without a word of configuration their main check runs.

Packages come from the registries that this machine's own clients are configured for.
"""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from benchmarks.environments import measure
from sandbox.egress.suggest_hosts import resolve_hosts, unreachable
from tests.support.needed_programs import needs
from wiring import Machine, Settings

pytestmark = [pytest.mark.slow, pytest.mark.sandbox, pytest.mark.timeout(600)]

PROJECT = '[project]\nname = "shape"\nversion = "1.0"\n'
MODULE = '[tool.setuptools]\npy-modules = ["shape"]\n'
BUILD = '[build-system]\nrequires = ["setuptools>=77"]\nbuild-backend = "setuptools.build_meta"\n'
USES = "import iniconfig\n\n\ndef test_it():\n    assert iniconfig.IniConfig\n"
JS_TEST = 'require("is-number")(1) || process.exit(1)\n'
DJANGO_SETTINGS = (
    'SECRET_KEY = "x"\nINSTALLED_APPS = []\nDATABASES = {"default": {'
    '"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}\n'
)
DJANGO_TEST = (
    "from django.test import SimpleTestCase\n\n\n"
    "class T(SimpleTestCase):\n    def test_it(self):\n        self.assertTrue(True)\n"
)
PACKAGE = (
    '{"name": "shape", "version": "1.0.0", "license": "MIT", "scripts": {"test": "node test.js"},'
    ' "dependencies": {"is-number": "7.0.0"}'
)
FROM_GIT = ', "devDependencies": {"tiny": "github:coding-agent-no-such/tiny"}'
YARN_LOCK = """\
# yarn lockfile v1


is-number@7.0.0:
  version "7.0.0"
  resolved "https://registry.yarnpkg.com/is-number/-/is-number-7.0.0.tgz#7535345b896734d5f80c4d06c50955527a14f12b"
  integrity sha512-41Cifkg6e8TylSpdtTpeLVMqvSBEVzTttHvERD741+pnZ8ANv0004MRL43QKPDlK9cGvNp6NZWZUBlbGXYxxng==
"""  # noqa: E501 - as yarn writes it


@dataclass(frozen=True)
class Shape:
    """A repository: its files, tags of its only commit, and what set-up leaves out."""

    files: dict[str, str]
    tag: str = ""
    left_out: tuple[str, ...] = ()
    ended: str = "passed"


def python(pyproject: str = PROJECT, **more: str) -> dict[str, str]:
    files = {"shape.py": "", "test_shape.py": USES, "pyproject.toml": pyproject + MODULE}
    more = {name.replace("_DOT_", "."): text for name, text in more.items()}
    return files | {
        name.replace("__", "/").replace("_DOT_", "."): text for name, text in more.items()
    }


SHAPES = {
    "a group of dependencies": Shape(
        python(PROJECT + '[dependency-groups]\ntest = ["pytest", "iniconfig"]\n')
    ),
    "a group that includes another": Shape(
        python(
            PROJECT
            + '[dependency-groups]\nunit = ["iniconfig"]\n'
            + 'dev = [{include-group = "unit"}, "pytest"]\n'
        )
    ),
    "an extra": Shape(
        python(PROJECT + '[project.optional-dependencies]\ntest = ["pytest", "iniconfig"]\n')
    ),
    "groups of Poetry": Shape(
        python(
            '[tool.poetry]\nname = "shape"\nversion = "1.0"\ndescription = ""\nauthors = []\n'
            '[tool.poetry.group.dev.dependencies]\niniconfig = "^2.0"\npytest = ">=7"\n'
            '[build-system]\nrequires = ["poetry-core"]\n'
            'build-backend = "poetry.core.masonry.api"\n'
        )
    ),
    "dependencies of PDM": Shape(
        python(PROJECT + '[tool.pdm.dev-dependencies]\ntest = ["pytest", "iniconfig"]\n')
    ),
    "an environment of Hatch": Shape(
        python(
            PROJECT
            + '[tool.hatch.envs.test]\ndependencies = ["pytest", "iniconfig"]\n'
            + '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
            + '[tool.hatch.build.targets.wheel]\nonly-include = ["shape.py"]\n'
        )
    ),
    "a Python that is not here": Shape(
        python(PROJECT + '[dependency-groups]\ntest = ["pytest", "iniconfig"]\n')
        | {".python-version": "3.99.1\n"},
        left_out=("python 3.99.1",),
    ),
    "a Python that must be and is not here": Shape(
        python(PROJECT + 'requires-python = ">=3.99"\n'),
        left_out=("Python >=3.99",),
        ended="unavailable",
    ),
    "tox alone": Shape(
        {
            "test_shape.py": USES,
            "shape.py": "",
            "setup.py": 'from setuptools import setup\nsetup(name="shape", py_modules=["shape"])\n',
            "tox.ini": "[testenv]\ndeps =\n    pytest\n    iniconfig\ncommands = pytest\n",
        }
    ),
    "nox alone": Shape(
        python(
            noxfile_DOT_py="import nox\n\n\n@nox.session\ndef tests(session):\n"
            '    session.install("-e", ".", "pytest", "iniconfig")\n    session.run("pytest")\n'
        )
    ),
    "a list of requirements": Shape(
        {
            "test_shape.py": USES,
            "requirements.txt": "iniconfig\n",
            "requirements-dev.txt": "pytest\n",
        }
    ),
    "lists in a folder": Shape(
        {"test_shape.py": USES, "requirements/test.txt": "-r base.txt\npytest\n"}
        | {"requirements/base.txt": "iniconfig\n", "pyproject.toml": ""}
    ),
    "setup.py with extras": Shape(
        {
            "test_shape.py": USES,
            "shape.py": "",
            "setup.py": "from setuptools import setup\n"
            'setup(name="shape", version="1", py_modules=["shape"],\n'
            '      extras_require={"test": ["pytest", "iniconfig"]})\n',
        }
    ),
    "a source folder": Shape(
        {
            "src/shape/__init__.py": "import iniconfig\n",
            "tests/test_shape.py": "import shape\n\n\ndef test_it():\n    assert shape.iniconfig\n",
            "pyproject.toml": PROJECT + 'dependencies = ["iniconfig"]\n' + BUILD,
        }
    ),
    "unittest with a dependency": Shape(
        {
            "test_shape.py": "import unittest\n\nimport iniconfig\n\n\n"
            "class ShapeTest(unittest.TestCase):\n    def test_it(self):\n"
            "        self.assertTrue(iniconfig.IniConfig)\n",
            "pyproject.toml": PROJECT + 'dependencies = ["iniconfig"]\n' + MODULE,
            "shape.py": "",
        }
    ),
    "a version of tags": Shape(
        {
            "src/shape/__init__.py": "",
            "tests/test_shape.py": "from importlib.metadata import version\n\n\ndef test_it():\n"
            '    assert version("shape").startswith("3.2")\n',
            "pyproject.toml": '[project]\nname = "shape"\ndynamic = ["version"]\n'
            '[dependency-groups]\ntest = ["pytest"]\n[tool.setuptools_scm]\n'
            '[build-system]\nrequires = ["setuptools>=77", "setuptools-scm>=8"]\n'
            'build-backend = "setuptools.build_meta"\n',
        },
        tag="v3.2.0",
    ),
    "a part that cannot be had": Shape(
        python(
            PROJECT
            + '[dependency-groups]\ntest = ["pytest", "iniconfig"]\n'
            + 'dev = ["no-such-package-of-the-shapes==9"]\n'
        ),
        left_out=("`no-such-package-of-the-shapes==9`",),
    ),
    "a line of a list that cannot be had": Shape(
        {
            "test_shape.py": USES,
            "requirements.txt": "iniconfig\nno-such-package-of-the-shapes==9\npytest\n",
        },
        left_out=("lines of `requirements.txt`",),
    ),
    "an extra of a project whose build cannot be had as it asks": Shape(
        python(
            PROJECT
            + '[project.optional-dependencies]\ntest = ["pytest", "iniconfig"]\n'
            + '[build-system]\nrequires = ["setuptools", "no-such-package-of-the-shapes"]\n'
            + 'build-backend = "setuptools.build_meta"\n'
        )
    ),
    "doctests alone": Shape(
        {
            "shape.py": 'import iniconfig\n\n\ndef one():\n    """\n    >>> one()\n    1\n    """\n'
            "    return 1\n",
            "pyproject.toml": PROJECT + 'dependencies = ["iniconfig"]\n' + MODULE,
        }
    ),
    "Django's runner": Shape(
        {
            "manage.py": "import sys\n\n"
            "from django.core.management import execute_from_command_line\n"
            'import os\nos.environ["DJANGO_SETTINGS_MODULE"] = "site_settings"\n'
            "execute_from_command_line(sys.argv)\n",
            "site_settings.py": DJANGO_SETTINGS,
            "tests.py": DJANGO_TEST,
            "requirements.txt": "django\n",
        }
    ),
    "Django's runner by tox": Shape(
        {
            "tox.ini": "[testenv]\ndeps =\n    old: django<2\n    new: django\n"
            "setenv = DJANGO_SETTINGS_MODULE = tests.settings\n"
            "commands =\n    python \\\n    -m django test {posargs:tests}\n",
            "tests/settings.py": DJANGO_SETTINGS,
            "tests/test_shape.py": DJANGO_TEST,
            "tests/test_plain.py": "import unittest\n\n\n"
            "class T(unittest.TestCase):\n    def test_it(self):\n        self.assertTrue(1)\n",
        }
    ),
    "an app of several packages": Shape(
        {
            "pyproject.toml": PROJECT + 'dependencies = ["iniconfig"]\n',
            "app/__init__.py": "",
            "jobs/__init__.py": "",
            "tests/test_app.py": USES,
        },
        left_out=("the project",),
    ),
    "a Pipfile": Shape({"test_shape.py": USES, "Pipfile": '[packages]\niniconfig = "*"\n'}),
    "a makefile that calls Python": Shape(
        {"Makefile": "test:\n\tpython check.py\n", "check.py": "assert True\n"}
    ),
    "npm without a lock file": Shape({"package.json": PACKAGE + "}", "test.js": JS_TEST}),
    "the pnpm that is named": Shape(
        {"package.json": PACKAGE + ', "packageManager": "pnpm@9.15.4"}', "test.js": JS_TEST}
    ),
    "the yarn that is named": Shape(
        {
            "package.json": PACKAGE + ', "packageManager": "yarn@4.5.0"}',
            ".yarnrc.yml": "nodeLinker: node-modules\n",
            "test.js": JS_TEST,
        }
    ),
    "yarn 1": Shape(
        {"package.json": PACKAGE + ', "packageManager": "yarn@1.22.22"}', "test.js": JS_TEST}
    ),
    "a lock file of yarn 1, with addresses of its registry": Shape(
        {"package.json": PACKAGE + "}", "test.js": JS_TEST, "yarn.lock": YARN_LOCK}
    ),
    "a package of git beside others, by npm": Shape(
        {"package.json": PACKAGE + FROM_GIT + "}", "test.js": JS_TEST},
        left_out=("`tiny`", "github.com"),
    ),
    "a package of git beside others, by pnpm": Shape(
        {
            "package.json": PACKAGE + FROM_GIT + ', "packageManager": "pnpm@9.15.4"}',
            "test.js": JS_TEST,
        },
        left_out=("`tiny`", "github.com"),
    ),
    "a package of git beside others, by yarn": Shape(
        {
            "package.json": PACKAGE + FROM_GIT + ', "packageManager": "yarn@1.22.22"}',
            "test.js": JS_TEST,
        },
        left_out=("`tiny`", "github.com"),
    ),
    "a package of git beside others, by a later yarn, in a workspace": Shape(
        {
            "package.json": PACKAGE + ', "workspaces": ["a"], "packageManager": "yarn@4.5.0"}',
            "a/package.json": '{"name": "a", "version": "1.0.0"' + FROM_GIT + "}",
            ".yarnrc.yml": "nodeLinker: node-modules\n",
            "test.js": JS_TEST,
        },
        left_out=("`tiny`", "github.com"),
    ),
    "workspaces of npm": Shape(
        {
            "package.json": '{"private": true, "workspaces": ["a"],'
            ' "scripts": {"test": "npm test --workspaces"}}',
            "a/package.json": PACKAGE + "}",
            "a/test.js": JS_TEST,
        }
    ),
    "parts of a workspace that CI builds": Shape(
        {
            "package.json": '{"private": true, "workspaces": ["parts/*"], "scripts": {"build":'
            ' "mkdir -p parts/a/dist && echo module.exports=1 >parts/a/dist/index.js",'
            ' "test": "node parts/b/test.js"}}',
            "parts/a/package.json": '{"name": "a", "version": "1.0.0", "main": "dist/index.js"}',
            "parts/b/package.json": '{"name": "b", "dependencies": {"a": "1.0.0"}}',
            "parts/b/test.js": 'require("a") === 1 || process.exit(1)\n',
            ".github/workflows/ci.yml": "jobs:\n  test:\n    steps:\n"
            "    - run: npm run build\n    - run: npm test\n",
        }
    ),
    "Python and JavaScript": Shape(
        python(PROJECT + '[dependency-groups]\ntest = ["pytest", "iniconfig"]\n')
        | {"web/package.json": PACKAGE + "}", "web/test.js": JS_TEST}
    ),
    "examples with needs of their own": Shape(
        python(PROJECT + '[dependency-groups]\ntest = ["pytest", "iniconfig"]\n')
        | {"examples/big/requirements.txt": "no-such-package-of-the-shapes\n"}
    ),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def machine(module_dir: Path) -> AsyncIterator[Machine]:
    if away := await unreachable(await resolve_hosts(("auto",))):
        pytest.skip(f"no registry is reached: {'; '.join(away)}")
    settings = Settings(data_dir=module_dir / "data", setup_hosts=("auto",))
    async with Machine(settings) as opened:
        yield opened


def repository(folder: Path, shape: Shape) -> Path:
    for name, text in shape.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@localhost"]
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "All"]):
        subprocess.run([*git, *words], check=True)
    if shape.tag:
        subprocess.run([*git, "tag", shape.tag], check=True)
    return folder


@needs("node", "npm")
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", SHAPES)
async def test_the_main_check_runs(machine: Machine, module_dir: Path, name: str) -> None:
    shape = SHAPES[name]
    folder = module_dir / "".join(filter(str.isalnum, name))
    await asyncio.to_thread(folder.mkdir)
    row = await measure(machine, await asyncio.to_thread(repository, folder, shape))
    assert row.ended == shape.ended, (row.left_out, row.output)
    assert tuple(part.partition(": ")[0] for part in row.left_out) == shape.left_out
