"""Commands: at a line's start, outside quotes and code, never in an HTML comment."""

import pytest

from forge.triggers.commands import Command, read_commands
from tests.support.linear_time import assert_linear

COMMAND = Command("/coding-agent", "fix it")


@pytest.mark.parametrize(
    "text",
    [
        "/coding-agent fix it",
        "Please:\n\n/coding-agent fix it",
        "  /Coding-Agent: fix it  ",
        "/coding-agent, fix it\r\nthanks",
        "```\ncode\n```\n/coding-agent fix it",
        "```x``` fails\n/coding-agent fix it",
        "```x``` ```\n/coding-agent fix it",
        "> quoted\n\n/coding-agent fix it",
        "~~~~\n~~~\n~~~~\n/coding-agent fix it",
        "<pre>code</pre>\n/coding-agent fix it",
        "`<pre>` is a tag\n/coding-agent fix it\n`</pre>` ends it",
        "<blockquote> is never closed\n/coding-agent fix it",
        "```\n<pre>\n```\n/coding-agent fix it\n</pre>",
    ],
)
def test_a_line_begins_with_it(text: str) -> None:
    assert read_commands(text) == (COMMAND,)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "say /coding-agent fix it",
        "> /coding-agent fix it",
        "> > /coding-agent fix it",
        "    /coding-agent fix it",
        "\t/coding-agent fix it",
        "`/coding-agent fix it`",
        "```\n/coding-agent fix it\n```",
        "```\n/coding-agent fix it",
        "```\n``` `\n/coding-agent fix it\n```",
        "~~~`x`\n/coding-agent fix it\n~~~",
        "~~~sh\n```\n/coding-agent fix it\n~~~",
        "````\n```\n/coding-agent fix it\n````",
        "<!-- \n/coding-agent fix it\n-->",
        "<!--\n/coding-agent fix it",
        "- /coding-agent fix it",
        "<pre>\n/coding-agent fix it\n</pre>",
        "<Blockquote cite='x'>\n\n/coding-agent fix it\n\n</BLOCKQUOTE>",
        "<pre><code>\n/coding-agent fix it\n</code></pre>",
        "/coding-agent/fix it",
        "//coding-agent fix it",
    ],
)
def test_elsewhere_it_is_a_word_like_any_other(text: str) -> None:
    assert COMMAND not in read_commands(text)


def test_several_and_names() -> None:
    told = read_commands("@my-agent do this\n/coding-agent stop\n@ada.b see above")
    assert told == (Command("@my-agent", "do this"), Command("/coding-agent", "stop"))


@pytest.mark.parametrize(
    "piece", ["<!--", "`", "```\n", "```x", "/a ", "@a\n", " ", "> ", "\t/x\n", "<pre>", "</pre>"]
)
def test_hostile_texts_take_linear_time(piece: str) -> None:
    assert_linear(read_commands, lambda size: piece * (size // len(piece)), 64_000)
