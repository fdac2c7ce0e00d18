"""Every `coding-agent …` of the documentation is a command with options that are there."""

import re
import shlex
from pathlib import Path
from typing import Final

import pytest
from typer.main import get_command

from api.cli.main import app

ROOT: Final = Path(__file__).parents[3]
_SPAN: Final = re.compile(r"`coding-agent ([^`\n]+)`")
_LINE: Final = re.compile(r"^(?:\.venv/bin/)?coding-agent (.+)$", re.MULTILINE)
_FENCED: Final = re.compile(r"^```sh.*?^```$", re.MULTILINE | re.DOTALL)


def documented() -> set[str]:
    """What follows the command's name, in blocks and in the text."""
    found: set[str] = set()
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")):
        text = path.read_text(encoding="utf-8")
        blocks = "\n".join(_FENCED.findall(text)).replace("\\\n", " ")
        found |= {*_SPAN.findall(_FENCED.sub("", text)), *_LINE.findall(blocks)}
    return found - {"COMMAND --help"}


@pytest.mark.parametrize("line", sorted(documented()))
def test_a_command_is_there_with_its_options(line: str) -> None:
    words = shlex.split(line, comments=True)
    known = get_command(app)
    while commands := getattr(known, "commands", None):
        if words[0].startswith("-"):
            break
        known = commands[words.pop(0)]
    given = {word.partition("=")[0] for word in words if word.startswith("-")}
    options = {option for parameter in known.params for option in parameter.opts}
    assert given <= options | {"--help", "-h"}
