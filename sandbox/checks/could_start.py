"""Whether a check could start at all: told by exit codes, and by asking for what it calls."""

import re
import shlex
from typing import Final

from graph import FolderCommand
from sandbox.core.protocol import Sandbox

_CANNOT_START: Final = (126, 127)  # what a shell answers for a program that is not there or not one
_GEMS_MISSING: Final = 7  # what bundler answers where the gems of a Gemfile are not installed
_FIND_MODULE: Final = (
    "import importlib.util as u, sys; sys.exit(u.find_spec(sys.argv[1].split('.')[0]) is None)"
)
_PYTHON = re.compile(r"[\w./-]*python[\d.]*")


async def could_start(sandbox: Sandbox, check: FolderCommand, exit_code: int | None) -> bool:
    """Whether a check that failed was started."""
    if exit_code in _CANNOT_START:
        return False
    words = words_of(check.command)
    if words[:1] == ["bundle"] and exit_code == _GEMS_MISSING:
        return False
    probe = _probe(words)
    if exit_code is None or probe is None:
        return True
    probe_there = FolderCommand(command=probe, folder=check.folder)
    return (await sandbox.run(probe_there.shell, keep_bytes=2)).exit_code == 0


def words_of(command: str) -> list[str]:
    """The words of a plain command, without the variables set before it; none where it is none."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        words = list(lexer)
    except ValueError:  # a quote without its end
        return []
    while words and re.fullmatch(r"\w+=.*", words[0], re.DOTALL):
        words.pop(0)
    return words


def _probe(words: list[str]) -> str | None:
    """A command that succeeds where Python's module, or npm's tool, is there."""
    match words:
        case [python, "-m", module, *_] if _PYTHON.fullmatch(python) and _is_name(module):
            return f'{python} -c "{_FIND_MODULE}" {module}'
        case ["npx", "--offline", "--no-install", tool, *_] if _is_name(tool):
            return f"npx --offline --no-install {tool} --version"
    return None


def _is_name(word: str) -> bool:
    return re.fullmatch(r"[\w.]+", word) is not None
