"""Tests are known by what is in a file, and by its path where that says nothing."""

import pytest

from sandbox.ecosystems.test_files import is_code, is_test
from tests.support.linear_time import assert_linear

PYTEST = "from app import add\n\n\ndef test_adds():\n    assert add(1, 1) == 2\n"
UNITTEST = """\
import unittest


class AddTest(unittest.TestCase):
    def testAdds(self):
        self.assertEqual(1 + 1, 2)
"""
COMPONENT = "export const Test = () => null;\n"
HELPER = "def make_user():\n    return 1\n"
JS = "const { add } = require('./add');\n\nit('adds', () => {\n  expect(add(1)).toBe(1);\n});\n"
JUNIT = (
    "public class Sums {\n    @Test\n    void adds() {\n        assertEquals(2, 1 + 1);\n    }\n}\n"
)
JAVA = "public class SpeedTest {\n    void run() { start(); }\n}\n"
SPEC = "describe Sum do\n  it 'adds' do\n    expect(1).to eq(1)\n  end\nend\n"
RUST = "pub fn a() {}\n#[cfg(test)]\nmod tests {\n #[test]\n fn adds() { assert!(true) }\n}\n"
VITEST = "export const a = 1;\nif (import.meta.vitest) {\n  it('is', () => expect(a));\n}\n"

CASES = {
    "by its contents alone": ("checks/verify_add.py", PYTEST, True),
    "unittest's in a folder of any name": ("selfcheck/sums.py", UNITTEST, True),
    "of another runner": ("unit/add.js", JS, True),
    "of the JVM": ("src/it/java/SumsIT.java", JUNIT, True),
    "of Ruby": ("examples/sum.rb", SPEC, True),
    "a source by the name of a test": ("shop/ab_test.py", HELPER, False),
    "a class by the name of a test": ("src/main/java/SpeedTest.java", JAVA, False),
    "a component by the name of a test": ("web/Test.tsx", COMPONENT, False),
    "a method by the name of a test": (
        "shop/client.py",
        "class Client:\n    def test_connection(self):\n        assert self.host\n",
        False,
    ),
    "a source with a test at its end": ("calc.py", f"{HELPER * 3}\n{PYTEST}", False),
    "a source with tests inside": ("src/lib.rs", RUST, False),
    "a source with tests of vitest inside": ("src/a.ts", VITEST, False),
    "a source with doctests": ("calc.py", 'def a():\n    """\n    >>> a()\n    """\n', False),
    "a script of assertions": ("test_all.py", "from app import add\nassert add(1, 1) == 2\n", True),
    "the runner's own name": ("web/add.test.js", "check(1)\n", True),
    "Go's, by the toolchain": ("sum_test.go", "package sum\n", True),
    "fixtures of pytest": ("conftest.py", "import pytest\n", True),
    "a helper among tests": ("tests/helpers.py", HELPER, True),
    "data among tests": ("tests/data/one.json", "{}", True),
    "data": ("data/one.json", "{}", False),
    "another language": ("tests/a.c", "int main() {}\n", True),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_tests_are_known_by_what_is_in_them(case: str) -> None:
    path, text, expected = CASES[case]
    assert is_test(path, text) is expected


def test_a_folder_without_tests_is_a_package_whatever_its_name() -> None:
    assert not is_test("django/test/client.py", HELPER, among_tests=False)
    assert is_test("django/test/client.py", PYTEST, among_tests=False)
    assert is_test("django/test/client.py")  # of which nothing is known


def test_a_script_without_an_ending_is_code() -> None:
    assert is_code("bin/deploy", "#!/bin/sh\n")
    assert not is_code("LICENSE", "MIT\n")
    assert is_code("run.sh")


@pytest.mark.parametrize("path", ["a.py", "a.js", "A.java", "a.rb", "a.rs", "a.go"])
@pytest.mark.parametrize("part", [" ", "\n", "def test_a", "@Test\n", "class ", "a.", ">>> "])
def test_long_files_are_read_in_one_pass(path: str, part: str) -> None:
    assert_linear(lambda text: is_test(path, text), lambda times: part * times, 200_000)
