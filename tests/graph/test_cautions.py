"""A large change, or one beside its plan, is published as a draft that says so."""

import pytest

from graph.machine.cautions import LARGE, cautions_of
from graph.values import Change, ChangedFile, ChangeRef, Plan

PLAN = Plan(summary="Change the parser.", files=("src/parser.py", "./src/cli/"))


def change(*paths: str, lines: int = 1) -> Change:
    files = tuple(ChangedFile(path=path, added=lines, removed=0) for path in paths)
    return Change(ref=ChangeRef(step=1, role="coder", digest=""), tree="", files=files)


def test_what_is_small_and_planned_needs_no_word() -> None:
    companions = ("tests/test_parser.py", "src/parser_test.go", "CHANGELOG.md", "docs/a/b.md")
    notes = ("changelog.d/12.change.md", "news/12.feature", ".changeset/x.md", "CHANGES")
    planned = ("src/parser.py", "src/cli/main.py", "uv.lock")
    assert cautions_of(PLAN, change(*companions, *notes, *planned)) == ()
    assert cautions_of(None, change("anything.py")) == ()
    assert cautions_of(Plan(summary="Look."), change("anything.py")) == ()


@pytest.mark.parametrize(
    "path",
    ["src/doc_parser.py", "newsletter.py", "src/changes.py", "testimonial.rb", "changes/feed.py"],
)
def test_a_source_with_a_name_like_theirs_goes_with_nothing(path: str) -> None:
    assert path in cautions_of(PLAN, change("src/parser.py", path))[0]


def test_files_beside_the_plan_are_named() -> None:
    (caution,) = cautions_of(PLAN, change("src/parser.py", *(f"other/{n}.py" for n in range(7))))
    assert "`other/0.py`, `other/1.py`" in caution
    assert caution.endswith("and 2 more.")


@pytest.mark.parametrize(
    "entry",
    ["`src/parser.py`", "src/parser.py (new)", "src/parser.py:10-20", "src/*.py", "src/**", "src"],
)
def test_a_path_is_found_however_the_plan_writes_it(entry: str) -> None:
    assert cautions_of(Plan(summary="", files=(entry,)), change("src/parser.py")) == ()


@pytest.mark.parametrize("entry", ["*", "**/*", ".", "/", "*.py", "src/parser", "?" * 900])
def test_no_entry_names_everything(entry: str) -> None:
    plan = Plan(summary="", files=(entry, "other.py"))
    assert cautions_of(plan, change("src/parser.py"))


@pytest.mark.parametrize(("lines", "told"), [(LARGE, False), (LARGE + 1, True)])
def test_many_changed_lines_are_told(lines: int, told: bool) -> None:
    assert bool(cautions_of(None, change("src/parser.py", lines=lines))) is told


def test_what_tools_make_is_not_counted() -> None:
    assert cautions_of(PLAN, change("package-lock.json", lines=9_000)) == ()
