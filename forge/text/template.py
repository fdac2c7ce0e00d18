"""The repository's own template of a pull request: its headings stay, what we know is filled in."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from forge.git.command import Git
from forge.text.sanitize_markdown import line, paragraphs, strip_html_comments
from forge.text.sections import join

Topic = Literal["summary", "validation"]

_MAX_BYTES: Final = 16 * 1024
_MAX_SECTION: Final = 4_000
_MAX_HEADING: Final = 200
_MAX_SECTIONS: Final = 30
_FORMAT: Final = "--batch-check=%(objectname) %(objecttype) %(objectsize)"
_HEADING: Final = re.compile(r"(?m)^ {0,3}(#{1,6})[ \t]+(.+?)[ \t#]*$")
_TOPICS: Final[tuple[tuple[Topic, re.Pattern[str]], ...]] = (
    ("validation", re.compile(r"(?i)\b(test(s|ed|ing)?|test plan|validation|verification)\b")),
    (
        "summary",
        re.compile(r"(?i)\b(description|summary|overview|what|why|changes?|motivation|purpose)\b"),
    ),
)


async def read_template(git: Git, git_dir: Path, tree: str, places: tuple[str, ...]) -> str:
    """The first template that a tree holds at one of these places, or nothing. Raises GitFailed."""
    asked = "".join(f"{tree}:{place}\n" for place in places).encode()
    answer = await git.output("cat-file", _FORMAT, git_dir=str(git_dir), stdin=asked)
    for row in answer.decode("utf-8", "replace").splitlines():
        sha, _, facts = row.partition(" ")
        kind, _, size = facts.partition(" ")
        if kind == "blob" and int(size) <= _MAX_BYTES:
            text = await git.output("cat-file", "blob", sha, git_dir=str(git_dir))
            return text.decode("utf-8", "replace")
    return ""


def fill(template: str, known: Mapping[Topic, str]) -> tuple[str, frozenset[Topic]]:
    """The template, made harmless, with what is known below its headings; and what found a place.

    Each topic goes below the first heading that asks for it. Comments are for who writes, and go.
    """
    parts = _HEADING.split(strip_html_comments(template))
    sections, placed = [paragraphs(parts[0], _MAX_SECTION)], set[Topic]()
    for marks, heading, text in list(zip(parts[1::3], parts[2::3], parts[3::3], strict=True))[
        :_MAX_SECTIONS
    ]:
        topic = _topic(heading, known, placed)
        told = known[topic] if topic else paragraphs(text, _MAX_SECTION)
        placed |= {topic} if topic else set()
        sections += [f"{marks} {line(heading, _MAX_HEADING)}", told]
    return join(*sections), frozenset(placed)


def _topic(heading: str, known: Mapping[Topic, str], placed: set[Topic]) -> Topic | None:
    """What a heading asks for, where it is known and was not told before."""
    for topic, pattern in _TOPICS:
        if pattern.search(heading):
            return topic if known.get(topic) and topic not in placed else None
    return None
