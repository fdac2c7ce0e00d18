"""A change that adds no entry where the repository notes its changes."""

import pytest

from graph.values import Base, Commit, PullGround
from sandbox.changes.parse_diff import Diff
from sandbox.checks.changelog_finding import changelog_findings

BASE = Base(address="/a", full_name="a/b", branch="main", sha="0" * 40, tree="1" * 40)


def change(*paths: str, sign: str = "+") -> Diff:
    return Diff.read(
        "".join(
            f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n"
            f"@@ -1 +1,2 @@\n x\n{sign}y\n"
            for path in paths
        )
    )


@pytest.mark.parametrize(
    ("place", "paths", "lacks"),
    [
        ("CHANGELOG.md", ("src/app.py",), True),
        ("CHANGELOG.md", ("src/app.py", "CHANGELOG.md"), False),
        ("CHANGELOG.md", ("src/app.py", "docs/CHANGELOG.md"), True),
        ("changelog.d/", ("src/app.py", "changelog.d/12.fix.md"), False),
        ("changelog.d/", ("src/app.py", "changelog.dir/12.md"), True),
        ("CHANGELOG.md", ("tests/test_app.py",), False),
        ("CHANGELOG.md", ("docs/a.md",), False),
        ("", ("src/app.py",), False),
    ],
)
def test_the_entry_that_a_source_asks_for(place: str, paths: tuple[str, ...], lacks: bool) -> None:
    base = BASE.model_copy(update={"changelog": place})
    found = changelog_findings(base, change(*paths))
    assert [each.rule for each in found] == (["changelog"] if lacks else [])
    assert all(f"`{place}`" in each.message for each in found)


def test_a_line_that_is_taken_out_is_no_entry() -> None:
    base = BASE.model_copy(update={"changelog": "CHANGELOG.md"})
    both = change("app.py").text + change("CHANGELOG.md", sign="-").text
    assert changelog_findings(base, Diff.read(both))


def test_a_next_commit_needs_no_entry_of_its_own() -> None:
    start = Commit(sha="2" * 40, tree="3" * 40)
    pull = PullGround(number=7, url="u", head_repo="a/b", head_branch="x", start=start)
    base = BASE.model_copy(update={"changelog": "CHANGELOG.md", "pull": pull})
    assert changelog_findings(base, change("app.py")) == ()
