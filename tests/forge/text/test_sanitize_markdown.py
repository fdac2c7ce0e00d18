"""Text that others wrote can be read on GitHub and does nothing there."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from forge.text.sanitize_markdown import code, cut, line, paragraphs, visible

ZERO_WIDTH = "\u200b"
PIECES = st.sampled_from(
    [
        *("@octocat", "@", "octocat", "#1", "#", "1", "owner/repo#2", "Closes ", "fixes: ", "GH-3"),
        *("<img src=x>", "<!--", "<", "script", "&#64;", "&commat;", "&", "![a](b)", "!", "["),
        *("](", "]:", "javascript:1)", "[c](JavaScript:1)"),
        *("```", "~~~~", "`", "# ", "---", "===", "\n", "\r\n", "\r", " ", "    ", "> ", "- "),
        *("Co-authored-by: a <b@c>", "Signed-off-by:", "[skip ci]", "***", "\u202e", "\u2066"),
        *("\x00", "\x1b[31m", "\ud800", "\u200b", "\ufeff", "\u2028", "https://github.com/a/b/"),
        *("issues/4", "pull/5", "no ci", "ci skip", "skip-checks: true", "é", "日本"),
    ]
)
TEXTS = st.lists(PIECES, max_size=25).map("".join) | st.text(max_size=60)


@pytest.mark.parametrize(
    "text",
    [
        "@octocat",
        "thanks @octo-cat, @org/team",
        "Closes #1",
        "fixes octo/repo#22",
        "resolve GH-3",
        "closes https://github.com/octo/repo/issues/4",
        "see https://github.com/octo/repo/pull/5",
        "<script>alert(1)</script>",
        "<!-- hidden",
        "<https://evil.example>",
        "&#64;octocat",
        "&commat;octocat",
        "![pixel](https://evil.example/x.png)",
        "![a][b]",
        "[c](javascript:1)",
        "[c]( JavaScript:alert(1))",
        "[c](java\\script:1)",
        "[c](javascript\\:1)",
        "[c](vbscript:x)",
        "[c](data:text/html,x)",
        "[c](vscode://file/x)",
        "[c]: javascript:1",
        "[skip ci]",
        "[ci skip]",
        "[no ci]",
        "***NO_CI***",
        "[skip netlify]",
        "[azurepipelines skip]",
        "[CF-Pages-Skip]",
        "/approve",
        "/lgtm cancel",
        "> /merge",
    ],
)
def test_what_has_an_effect_loses_it_and_stays_readable(text: str) -> None:
    for made in (line(text, 500), paragraphs(text, 500)):
        assert made != text
        assert made.replace(ZERO_WIDTH, "") == text


@pytest.mark.parametrize(
    "text",
    [
        "Add a discount to invoices",
        "Use `a < b` and a & b, 50 % off! [docs](https://example.org)",
        "See [docs](docs/security.md#gate), [up](../README.md) and `handlers[name](event)`",
        "[docs]: https://example.org",
        "- one\n- two\n\n1. three",
        "```python\nprint('x')\n```",
        "Grüße, 日本語",
        "a -> b; x = y == z",
        "Note: a word and a colon",
        "Skip the header, [skipped] or [skip the first rows]",
    ],
)
def test_usual_text_stays_as_it_is(text: str) -> None:
    assert paragraphs(text, 500) == text


@pytest.mark.parametrize(
    "text",
    [
        "Co-authored-by: Eve <eve@example.org>",
        "Signed-off-by: x",
        "  Change-Id: 1",
        "skip-checks: true",
    ],
)
def test_trailers_are_none(text: str) -> None:
    made = paragraphs(f"Text.\n\n{text}", 500)
    assert not re.search(r"(?m)^\s*[A-Za-z]+(-[A-Za-z]+)+:", made)


@pytest.mark.parametrize(
    "text", ["# Review", "### Approved", "Text\n---", "Text\n===", "***", "- - -"]
)
def test_no_section_of_its_own(text: str) -> None:
    for row in paragraphs(text, 500).splitlines():
        assert not re.match(r" {0,3}(#{1,6}([ \t]|$)|[=-]+[ \t]*$|([*_][ \t]*){3,}$)", row)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("```\nx", "```"),
        ("````py\nx\n```", "````"),
        ("~~~\n```\nx", "~~~"),
        ("```\nx\n```\n```", "```"),
        ("```x``` is code.\n````\ny", "````"),
    ],
)
def test_an_open_code_block_is_closed(text: str, end: str) -> None:
    assert paragraphs(text, 500).splitlines()[-1] == end


@example("]:script")
@given(TEXTS)
def test_nothing_has_an_effect(text: str) -> None:
    for made in (line(text, 200), paragraphs(text, 200), code(text, 200)):
        assert not re.search(r"@[\w-]", made)
        assert not re.search(r"#\d|(?i:\bgh-\d)|/(issues|pull|discussions)/\d", made)
        assert not re.search(r"<[A-Za-z/!?]", made)
        assert not re.search(r"&#?\w+;", made)
        assert "![" not in made
        assert not re.search(r"(?i)\](\(|:)\s*<?[a-z]*script:", made)
        assert not re.search(r"(?i)\[(skip|no)[ -]?(ci|actions)\]|\[ci skip\]", made)
        assert not re.search(
            r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200e\u200f]", made
        )
        made.encode()


@given(TEXTS, st.integers(5, 80))
def test_a_line_is_one_line_of_that_length(text: str, limit: int) -> None:
    made = line(text, limit)
    assert "\n" not in made
    assert len(made.replace(ZERO_WIDTH, "")) <= limit
    assert len(made) <= 2 * limit


@given(TEXTS)
def test_code_is_one_code_span(text: str) -> None:
    made = code(text, 200)
    ticks = re.match(r"`+", made)
    assert ticks
    assert made.endswith(ticks[0])
    inner = made[len(ticks[0]) : -len(ticks[0])]
    assert ticks[0] not in re.findall(r"`+", inner)


@given(TEXTS)
def test_a_block_is_never_left_open(text: str) -> None:
    opened = ""
    for row in paragraphs(text, 300).splitlines():
        found = re.match(r" {0,3}(`{3,}|~{3,})(.*)$", row)
        if found and not opened:
            opened = found[1]
        elif found and found[1][0] == opened[0] and len(found[1]) >= len(opened):
            opened = "" if not found[2].strip() else opened
    assert opened == ""


@given(st.text(), st.integers(5, 50))
def test_a_cut_text_says_so(text: str, limit: int) -> None:
    made = cut(text, limit)
    assert len(made) <= limit
    assert made == text or made.endswith("[…]")


def test_what_cannot_be_seen_goes() -> None:
    assert visible("a\x00b\x1b[0m\u202ec\u200b\r\nd\te") == "ab[0mc\nd\te"


def test_code_within_a_line_begins_no_block() -> None:
    made = paragraphs("```x``` is code.\n\nMore.", 500)
    assert made.replace(ZERO_WIDTH, "") == "```x``` is code.\n\nMore."
