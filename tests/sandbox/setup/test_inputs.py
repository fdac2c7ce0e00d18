"""Of which files of a base a set-up by rules is a result."""

import pytest

from graph.environment import ANY_FILE
from sandbox.discovery.find_setup import plan_setup
from sandbox.setup.inputs import BaseFiles
from tests.support.sandbox.listed_files import listed

PROJECT = '[project]\nname = "app"\n'
SETUP = "from setuptools import setup\n"


def key(files: dict[str, str]) -> str:
    entries = tuple(sorted((path, f"100644 {text} 0") for path, text in files.items()))
    return BaseFiles(entries).key(plan_setup(listed(files)).environment)


@pytest.mark.parametrize(
    ("files", "unread", "read"),
    [
        ({"pyproject.toml": PROJECT}, ("README.md", "app/a.py", "tests/test_a.py"), ("uv.lock",)),
        (
            {"pyproject.toml": PROJECT + 'readme = "README.md"\ndynamic = ["version"]\n'},
            ("README.md", "src/app/core.py"),
            ("src/app/_version.py", "src/app/__about__.py"),
        ),
        (
            {
                "pyproject.toml": PROJECT + 'dynamic = ["version", "dependencies"]\n'
                '[tool.setuptools.dynamic]\nversion = {attr = "app.meta.VERSION"}\n'
                'dependencies = {file = ["deps/run.list"]}\n'
                '[tool.coverage.run]\nomit = ["app/other.py"]\n'
            },
            ("app/other.py", "app/__init__.py", "other/run.list"),
            ("app/meta.py", "src/app/meta/__init__.py", "deps/run.list"),
        ),
        (
            {"setup.py": SETUP + "import deps\nsetup(long_description=open('README.rst').read(),"},
            ("README.rst", "app/a.py"),
            ("deps.py",),
        ),
        ({"requirements.txt": "-r more/base.list\n"}, ("app.py",), ("more/base.list",)),
        ({"requirements/test.txt": ""}, ("app.py",), ("requirements/inner/base.txt",)),
        (
            {"package.json": '{"scripts": {"prepare": "husky"}}', "package-lock.json": ""},
            ("index.js", "README.md"),
            ("package-lock.json", "inner/package.json", ".npmrc"),
        ),
        (
            {"package.json": '{"scripts": {"prepare": "husky && npm run build"}}'},
            (),
            ("index.js",),
        ),
        ({"pyproject.toml": "[build-system]\nbackend-path = ['_build']\n"}, (), ("_build/a.py",)),
        ({"setup.py": SETUP + "import app\n", "app/__init__.py": ""}, (), ("app/a.py",)),
        ({"setup.py": SETUP + "setup(ext_modules=[])\n"}, (), ("a.c",)),
    ],
)
def test_a_file_that_set_up_reads_names_another_result(
    files: dict[str, str], unread: tuple[str, ...], read: tuple[str, ...]
) -> None:
    if "pyproject.toml" in files and "[project]" not in files["pyproject.toml"]:
        files = {**files, "setup.py": SETUP}
    before = key(files)
    assert [path for path in unread if key({**files, path: "x"}) != before] == []
    assert [path for path in read if key({**files, path: "x"}) == before] == []


def test_a_manifest_that_is_a_link_may_lead_to_any_file() -> None:
    environment = plan_setup(listed({"pyproject.toml": PROJECT})).environment
    link = ("pyproject.toml", "120000 a 0")
    keys = {BaseFiles((link, ("real.toml", f"100644 {text} 0"))).key(environment) for text in "bc"}
    assert len(keys) == 2


def test_a_manifest_that_names_very_many_files_may_read_any() -> None:
    names = " ".join(f"file{n}.list" for n in range(600))
    environment = plan_setup(listed({"setup.py": f"x = '{names}'\n"})).environment
    assert environment.reads == (ANY_FILE,)
