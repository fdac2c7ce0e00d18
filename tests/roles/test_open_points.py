"""What coder and fixer say is open: bounded, without a loss of answers to comments."""

from roles.changing_role import _list_open


def test_no_answer_to_a_comment_is_left_out() -> None:
    answers = [f"Comment {n}: not done." for n in range(1, 51)]
    others = [f"Point {n}." for n in range(40)]
    assert _list_open([*others, *answers]) == (*others[:20], *answers)


def test_numbers_that_no_request_gives_do_not_count_as_answers() -> None:
    assert len(_list_open([f"Comment {n}: no." for n in range(51, 999)])) == 20


def test_the_newest_answer_to_a_comment_counts_and_nothing_empty_or_twice_does() -> None:
    said = ["Comment 1: no.", " ", "Slow.", "Slow.", "Comment 1:\n Why?"]
    assert _list_open(said) == ("Slow.", "Comment 1: Why?")
