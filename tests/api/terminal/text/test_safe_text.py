"""No text of others reaches the terminal as anything but text."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.terminal.text.safe_text import clean, clean_line
from api.terminal.text.untrusted_fields import Fields


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("plain", "plain"),
        ("é 漢字 🙂", "é 漢字 🙂"),
        ("a\x1b[31mred\x1b[0m", "ared"),
        ("\x1b[2J\x1b[1;1Hover", "over"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bP1$q\x1b\\x", "x"),
        ("\x1b]never ended, not swallowed", "never ended, not swallowed"),
        ("\x9b31mc1", "c1"),
        ("\x1bc reset", " reset"),
        ("bell\x07 back\x08 del\x7f nul\x00", "bell back del nul"),
        ("line\rover", "line\nover"),
        ("a\r\nb\tc", "a\nb    c"),
        ("a\u2028b\u2029c\x85d\x0be\x0cf", "a\nb\nc\nd\ne\nf"),
        ("\u202eright-to-left\u202c \u2066iso\u2069 \u200bzero", "right-to-left iso zero"),
        ("\ud800 lone", "\ufffd lone"),
        ("z" + "\u0300" * 50, "z" + "\u0300" * 3),
        ("\U000e0041tag", "tag"),
        ("[bold]markup[/bold]", "[bold]markup[/bold]"),
    ],
)
def test_what_terminals_act_on_is_gone(hostile: str, shown: str) -> None:
    assert clean(hostile) == shown


@given(st.text(alphabet=st.characters(), max_size=200))
def test_nothing_but_letters_and_line_breaks_is_left(text: str) -> None:
    left = clean(text)
    assert all(
        character == "\n" or unicodedata.category(character) not in {"Cc", "Cf", "Cs"}
        for character in left
    )
    assert "\x1b" not in left
    assert clean(left) == left
    left.encode()


@given(st.text(max_size=200))
def test_a_line_is_one_line(text: str) -> None:
    assert len(clean_line(text).splitlines()) <= 1


def test_fields_of_another_shape_are_empty() -> None:
    odd = Fields({"a": 1, "b": ["x", 2, None], "c": {"d": "e\n"}, "n": float("nan"), "t": True})
    assert odd.line("a") == ""
    assert odd.lines("b") == ["x"]
    assert odd.inner("c").line("d") == "e"
    assert odd.number("n") is None
    assert odd.number("t") is None
    assert odd.each("b")[0].line("x") == ""
    assert odd.whole("missing") is None
    assert not Fields([1])
    assert not Fields(None)
