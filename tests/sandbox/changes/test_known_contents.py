"""Which files of a change are tests and code, by what they hold at the base."""

from pathlib import Path

import pytest

from sandbox.changes.known_contents import with_contents
from sandbox.changes.parse_diff import Diff
from tests.support.sandbox.sample_run import SampleRun, sample_run

pytestmark = pytest.mark.sandbox

LINES = "\n".join(f"    # {n}" for n in range(20))
TEST = f"def test_adds():\n{LINES}\n    assert 1 + 1 == 2\n"
FILES: dict[str, str | bytes] = {
    "checks/verify_add.py": TEST,
    "checks/helpers.py": "def one():\n    return 1\n",
    "shop/ab_test.py": "def choose():\n    return 'a'\n",
    "shop/test/client.py": "class Client:\n    pass\n",
    "shop/test/test/test_client.py": TEST,
    "tests/helper.py": "def same(a, b):\n    return a == b\n",
    "tests/cases.py": TEST,
    "tests/we [ird]\n.py": TEST,
    "bin/deploy": "#!/bin/sh\n" + "true\n" * 20,
    "NOTES": "1\n" * 20,
    "link.py": "1\n",
}
EDITS = """git ls-files -z | xargs -0 sh -c 'for f; do printf "\\n# x\\n" >> "$f"; done' -"""


@pytest.fixture(scope="module")
def run(module_dir: Path) -> SampleRun:
    return sample_run(module_dir, FILES)


async def known(run: SampleRun, script: str, step: int) -> Diff:
    change = await run.make_change(script, step)
    sandbox = await run.open(f"reading-{step}", change)
    diff = Diff.read(run.folder.patch(change).read_text(encoding="utf-8"))
    return await with_contents(sandbox, run.base, diff)


async def test_an_edit_far_from_what_shows_it_is_known(run: SampleRun) -> None:
    diff = await known(run, EDITS, 1)
    assert len(diff.files) == len(FILES)
    assert diff.tests == {
        "checks/verify_add.py",
        "shop/test/test/test_client.py",
        "tests/helper.py",
        "tests/cases.py",
        "tests/we [ird]\n.py",
    }
    assert set(FILES) - set(diff.code) == {"NOTES"}


async def test_a_removed_and_a_moved_test_are_known(run: SampleRun) -> None:
    moved = "mkdir unit; git mv checks/verify_add.py unit/verify.py"
    diff = await known(run, f"{moved}; git rm -q tests/helper.py shop/test/client.py", 2)
    assert diff.tests == {"checks/verify_add.py", "unit/verify.py", "tests/helper.py"}


async def test_a_new_test_makes_its_folder_one_of_tests(run: SampleRun) -> None:
    new = "printf 'def test_it():\\n    assert 1\\n' > shop/test/test_new.py; "
    diff = await known(run, f"{new} echo '# x' >> shop/test/client.py", 3)
    assert diff.tests == {"shop/test/test_new.py", "shop/test/client.py"}
