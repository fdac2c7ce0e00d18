"""What a `devcontainer.json` asks for: JSON with comments and commas at the end."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_COMMANDS: Final = ("onCreateCommand", "updateContentCommand", "postCreateCommand")
"""In the order in which they are run."""
# A string, which is kept, else a comment; one without an end goes to the end of the text.
_COMMENT: Final = re.compile(
    r'("(?:[^"\\\n]|\\.)*+"?)|//[^\n]*|/\*(?:[^*]|\*(?!/))*+(?:\*/)?', re.DOTALL
)
_LAST_COMMA: Final = re.compile(r'("(?:[^"\\\n]|\\.)*+"?)|,(?=\s*+[}\]])', re.DOTALL)


@dataclass(frozen=True)
class DevContainer:
    image: str = ""
    commands: tuple[str, ...] = ()


def read_devcontainer(text: str) -> DevContainer:
    """What it says; nothing of a text that cannot be read."""
    try:
        read = json.loads(_plain(text))
    except (ValueError, RecursionError):
        return DevContainer()
    if not isinstance(read, dict):
        return DevContainer()
    image = read.get("image")
    commands = tuple(command for key in _COMMANDS for command in _commands(read.get(key)))
    return DevContainer(image if isinstance(image, str) else "", commands)


def _plain(text: str) -> str:
    for left_out in (_COMMENT, _LAST_COMMA):
        text = left_out.sub(lambda match: match[1] or " ", text)
    return text


def _commands(value: object) -> Iterator[str]:
    """A line, the words of one program, or several of these by name."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and all(isinstance(word, str) for word in value):
        yield shlex.join(value)
    elif isinstance(value, dict):
        for one in value.values():
            if not isinstance(one, dict):
                yield from _commands(one)
