"""A line that is typed key by key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.cli.keyboard.line_editor import MOST_LETTERS, LineEditor


@pytest.mark.parametrize(
    ("keys", "lines", "left"),
    [
        ("one\ntwo\rthr", ["one", "two"], "thr"),
        ("  \n\r\n", [], ""),
        ("wrong\x15right", [], "right"),
        ("two words \x17", [], "two"),
        ("ab\x7f\x7f\x7fc", [], "c"),
        ("a\x1b[1;5Db\x1bOPc\x1bxd", [], "abcd"),
        ("a\tb\x00\x04\u202ec", [], "a bc"),
        ("Grüße 世界", [], "Grüße 世界"),
        ("x" * (MOST_LETTERS + 9), [], "x" * MOST_LETTERS),
    ],
)
def test_keys_make_a_line(keys: str, lines: list[str], left: str) -> None:
    editor = LineEditor()
    assert editor.feed(keys) == lines
    assert editor.text == left


@given(st.text())
def test_keys_one_by_one_are_the_keys_at_once(keys: str) -> None:
    at_once, one_by_one = LineEditor(), LineEditor()
    lines = [line for key in keys for line in one_by_one.feed(key)]
    assert (at_once.feed(keys), at_once.text) == (lines, one_by_one.text)
