"""Checks found in a repository's files."""

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.found_checks import MOST, READ_FACTS, Facts, found_checks, parse_facts
from sandbox.sandbox import TreeSpec
from tests.sandbox.sample_run import RUN, sample_run

PYTEST = "python3 -m pytest -q"
UNITTEST = "python3 -m unittest discover"


def package(**scripts: str) -> str:
    return json.dumps({"name": "x", "scripts": scripts})


def scripts(manager: str, **named: str) -> str:
    return json.dumps({"packageManager": manager, "scripts": named})


@pytest.mark.parametrize(
    ("files", "commands"),
    [
        ({}, ()),
        ({"pytest.ini": ""}, (PYTEST,)),
        ({"pyproject.toml": "[tool.pytest.ini_options]\n"}, (PYTEST,)),
        ({"pyproject.toml": "[dependency-groups]\ndev = ['pytest>=8']\n"}, (PYTEST,)),
        ({"pyproject.toml": "[project]\nname = 'x'\n"}, ()),
        ({"setup.cfg": "[tool:pytest]\n"}, (PYTEST,)),
        ({"tox.ini": "[testenv]\ncommands = pytest\n"}, (PYTEST,)),
        ({"tox.ini": "[tox]\nenvlist = py\n"}, ("tox",)),
        ({"noxfile.py": ""}, ("nox",)),
        ({"requirements-dev.txt": "pytest==8\n"}, (PYTEST,)),
        ({"package.json": package(test="jest", lint="eslint .")}, ("npm test", "npm run lint")),
        ({"package.json": package(build="tsc")}, ()),
        ({"package.json": package(test='echo "Error: no test specified" && exit 1')}, ()),
        ({"package.json": package(test="a"), "yarn.lock": ""}, ("yarn test",)),
        ({"package.json": package(test="a"), "pnpm-lock.yaml": ""}, ("pnpm test",)),
        ({"package.json": package(test="a"), "bun.lock": ""}, ("bun run test",)),
        (
            {"package.json": package(test="a"), "package-lock.json": "", "yarn.lock": ""},
            ("npm test",),
        ),
        ({"package.json": scripts("pnpm@9.1.0", test="a"), "yarn.lock": ""}, ("pnpm test",)),
        ({"package.json": scripts("rm -rf /@1", test="a")}, ("npm test",)),
        ({"Cargo.toml": ""}, ("cargo test --no-fail-fast",)),
        ({"go.mod": ""}, ("go test ./...",)),
        ({"Makefile": "test:\n\t./run\nlint:\n\tx\n"}, ("make test", "make lint")),
        ({"Makefile": "check: build\n\t./run\n"}, ("make check",)),
        ({"Makefile": "test check lint:\n\t./run\n"}, ("make test", "make lint")),
        ({"Makefile": "test::\n\t./run\n"}, ("make test",)),
        ({"Makefile": "test := 1\nlint = test:\ncheck ::= 2\n# test: no\nall: test\n"}, ()),
        ({"Makefile": "test: export A = b\ntest:\n\techo\n"}, ("make test",)),
        ({"Makefile": ".PHONY: test lint\n\ntests:\n\techo\n"}, ()),
        ({"GNUmakefile": "all:\n", "Makefile": "test:\n\techo\n"}, ()),
        ({"Makefile": "test:\n\tpython -m pytest\n", "pytest.ini": ""}, (PYTEST,)),
        ({"Makefile": "test:\n\tcargo test\n", "Cargo.toml": ""}, ("cargo test --no-fail-fast",)),
    ],
)
def test_commands_follow_the_files(files: dict[str, str], commands: tuple[str, ...]) -> None:
    assert found_checks(Facts(files=files)) == commands


@pytest.mark.parametrize(
    ("python", "commands"),
    [
        (("test_a.py",), (UNITTEST,)),
        (("tests/__init__.py", "tests/test_a.py"), (f"{UNITTEST} -s tests -t .",)),
        (("tests/test_a.py",), (f"{UNITTEST} -s tests",)),
        (("tests/a_test.py",), (f"{UNITTEST} -s tests -p '*_test.py'",)),
        (("src/a.py", "tests/test_a.py"), (f"PYTHONPATH=src {UNITTEST} -s tests",)),
        (("one/test_a.py", "two/test_a.py"), (f"{UNITTEST} -s one", f"{UNITTEST} -s two")),
        (("tests/base.py",), ()),
        (("tests/unit/test_a.py",), (f"{UNITTEST} -s tests/unit",)),
        (("a/b/__init__.py", "a/b/test_a.py"), (f"{UNITTEST} -s a/b -t a",)),
        (
            ("a/__init__.py", "a/b/__init__.py", "a/b/test_a.py", "a/b/test_b.py"),
            (f"{UNITTEST} -s a -t .",),
        ),
        (("__init__.py", "test_a.py"), (UNITTEST,)),
        (("a b/test_a.py", "$(x)/test_a.py", "-x/test_a.py"), ()),
    ],
)
def test_unittest_is_run_where_its_tests_are(
    python: tuple[str, ...], commands: tuple[str, ...]
) -> None:
    assert found_checks(Facts(python=python, unittest=python)) == commands


def test_pytest_is_preferred_where_a_file_imports_it() -> None:
    tests = ("tests/test_a.py", "tests/test_b.py")
    assert found_checks(Facts(python=tests, unittest=tests, pytest=tests[1:])) == (PYTEST,)
    assert found_checks(Facts(python=("tests/conftest.py",))) == (PYTEST,)


def test_tests_come_before_lint_and_all_is_bounded() -> None:
    folders = tuple(f"t{number}/test_a.py" for number in range(20))
    assert len(found_checks(Facts(python=folders, unittest=folders))) == MOST
    files = {"package.json": package(test="a", lint="b"), "go.mod": "", "Makefile": "lint:\n\tx\n"}
    expected = ("npm test", "go test ./...", "npm run lint", "make lint")
    assert found_checks(Facts(files=files)) == expected


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"scripts": []}', '{"scripts": {"test": 1}}', "[" * 9999]
)
def test_a_damaged_package_names_no_check(text: str) -> None:
    assert found_checks(Facts(files={"package.json": text})) == ()


@given(st.dictionaries(st.sampled_from(["package.json", "Makefile", "tox.ini"]), st.text()))
def test_any_content_is_read(files: dict[str, str]) -> None:
    for command in found_checks(Facts(files=files)):
        assert "\n" not in command


def test_long_hostile_lines_take_no_long_time() -> None:
    for line in (" " * 65536, "a " * 32768, "a:" * 32768, "\t" * 65536):
        found_checks(Facts(files={"Makefile": line, "pyproject.toml": line}))


def fact(kind: str, name: str, content: bytes) -> bytes:
    return f"{kind}\t{name}\t{base64.b64encode(content).decode()}\n".encode()


@given(st.binary())
def test_any_output_is_parsed(output: bytes) -> None:
    parse_facts(output)


@given(st.dictionaries(st.sampled_from(["a", "b"]), st.text()), st.lists(st.text(min_size=1)))
def test_facts_come_back_as_they_were_told(files: dict[str, str], names: list[str]) -> None:
    names = [name for name in names if "\0" not in name]
    output = b"".join(fact("file", name, text.encode()) for name, text in files.items())
    output += fact("names", "unittest", "".join(f"{name}\0" for name in names).encode())
    facts = parse_facts(output)
    assert facts.files == files
    assert facts.unittest == tuple(names)


@pytest.mark.sandbox
async def test_facts_are_read_in_the_tree(data_dir: Path) -> None:
    run = sample_run(
        data_dir,
        {
            "package.json": package(test="a"),
            "yarn.lock": "",
            "Makefile": "test:\n\t./x\nlint:\n\tfile\tpytest.ini\tAAAA\n",
            "src/app/__init__.py": "",
            "tests/test_a.py": "from unittest import TestCase\nclass A(TestCase): pass\n",
            "tests/test 'b'\n.py": "import os\n",
            "pyproject.toml": "file\tpytest.ini\t\nnames\tpytest\tYQA=\n",
        },
    )
    sandbox = await run.sandboxes.open(RUN, TreeSpec("plan", run.base))
    result = await sandbox.run(READ_FACTS)
    facts = parse_facts(result.output)
    assert facts.unittest == ("tests/test_a.py",)
    assert facts.pytest == ()
    assert "tests/test 'b'\n.py" in facts.python
