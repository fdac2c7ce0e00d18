"""Output: both ends kept in bounded memory, and nothing of it acts on a terminal."""

import re

from hypothesis import given
from hypothesis import strategies as st

from sandbox.core.output import BothEnds, render

pieces = st.lists(st.binary(max_size=40), max_size=30)


def fed(parts: list[bytes], keep: int) -> BothEnds:
    ends = BothEnds(keep)
    for part in parts:
        ends.feed(part)
    return ends


@given(pieces, st.integers(2, 64))
def test_what_fits_is_kept_whole(parts: list[bytes], keep: int) -> None:
    whole = b"".join(parts)
    ends = fed(parts, keep)
    if len(whole) <= keep // 2 * 2:
        assert (ends.kept, ends.dropped) == (whole, 0)


@given(pieces, st.integers(0, 64))
def test_both_ends_are_kept_and_the_rest_is_counted(parts: list[bytes], keep: int) -> None:
    whole = b"".join(parts)
    half = max(keep // 2, 1)
    ends = fed(parts, keep)
    assert ends.total == len(whole)
    assert len(ends.kept) + ends.dropped == len(whole)
    assert whole.startswith(ends.kept[:half])
    assert whole.endswith(ends.kept[half:])
    assert len(ends.kept) <= 2 * half


@given(st.binary(max_size=300), st.integers(2, 40), st.data())
def test_how_it_is_cut_into_pieces_does_not_matter(
    whole: bytes, keep: int, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(whole)))
    one, two = fed([whole], keep), fed([whole[:cut], whole[cut:]], keep)
    assert (one.kept, one.dropped) == (two.kept, two.dropped)


@given(st.binary(max_size=5000), st.integers(2, 40))
def test_memory_is_bounded(whole: bytes, keep: int) -> None:
    ends = BothEnds(keep)
    for start in range(0, len(whole), 7):
        ends.feed(whole[start : start + 7])
        assert len(ends._head) + len(ends._tail) <= 2 * keep


@given(st.binary(max_size=200), st.integers(0, 5))
def test_shown_output_holds_no_control_characters(output: bytes, dropped: int) -> None:
    shown = render(output, dropped)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown)
    shown.encode()


@given(st.text(st.characters(categories=("L", "N", "P", "Zs")), max_size=200))
def test_plain_text_is_shown_as_it_is(text: str) -> None:
    assert render(text.encode(), 0) == text


def test_escape_sequences_leave_no_trace() -> None:
    coloured = (
        b"\x1b[1;31mred\x1b[0m \x1b]0;title\x07\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\ \x1b(Bend"
    )
    assert render(coloured, 0) == "red link end"


def test_a_sequence_hidden_in_another_does_not_come_to_life() -> None:
    assert "\x1b" not in render(b"\x1b\x1b[31m[31m\x1b\x00[2J", 0)
    assert render("\x9b31mred".encode(), 0) == "31mred"


def test_line_ends_are_of_one_kind() -> None:
    assert render(b"one\r\ntwo\rthree\n", 0) == "one\ntwo\nthree\n"


def test_the_cut_is_marked_where_it_is() -> None:
    ends = fed([b"a" * 10, b"b" * 10], 8)
    assert render(ends.kept, ends.dropped) == "aaaa\n[… 12 bytes left out …]\nbbbb"


def test_a_character_cut_in_two_is_replaced() -> None:
    ends = fed(["ä".encode() * 20], 6)
    assert "\ufffd" in render(ends.kept, ends.dropped)
