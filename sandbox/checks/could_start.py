"""Whether a check could start at all: told by exit codes, and by asking for what it calls."""

import re
import shlex
from typing import Final

from graph import Check, FolderCommand
from sandbox.core.protocol import Sandbox
from sandbox.ecosystems.registry import ECOSYSTEMS
from sandbox.tree.environment import SYSTEM_FIRST

_LONGEST: Final = 10_000
"""Characters: words are told apart one by one, and no command that is plain has more."""
_CANNOT_START: Final = (126, 127)  # what a shell answers for a program that is not there or not one


async def could_start(sandbox: Sandbox, check: FolderCommand, exit_code: int | None) -> bool:
    """Whether a check that failed was started."""
    words = words_of(check.command)
    if exit_code in _CANNOT_START:
        return False
    if words and any(each.not_installed.get(words[0], -1) == exit_code for each in ECOSYSTEMS):
        return False
    probe = next(filter(None, (each.probe(words) for each in ECOSYSTEMS)), "")
    if exit_code is None or not probe:
        return True
    there = FolderCommand(command=probe, folder=check.folder)
    return (await sandbox.run(there.shell, keep_bytes=2)).exit_code == 0


async def is_folder_gone(sandbox: Sandbox, check: Check) -> bool:
    """Whether nothing is left of the folder that a found check is for but what git ignores.

    Asked before the change's code runs, which may remove what git goes by, or the folder itself.
    """
    if check.source != "repository" or not check.folder:
        return False
    left = (
        f"git --literal-pathspecs ls-files -z -co --exclude-standard -- {shlex.quote(check.folder)}"
    )
    none = (
        'xargs -0 -r -n 500 sh -c \'for f; do [ ! -e "$f" ] && [ ! -L "$f" ] || exit 255; done\' sh'
    )
    script = f"{SYSTEM_FIRST}set -o pipefail\n{left} | {none}"
    return (await sandbox.run(script, keep_bytes=2)).exit_code == 0


def words_of(command: str) -> list[str]:
    """The words of a plain command, without the variables set before it; none where it is none."""
    if len(command) > _LONGEST:
        return []
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        words = list(lexer)
    except ValueError:  # a quote without its end
        return []
    while words and re.fullmatch(r"\w+=.*", words[0], re.DOTALL):
        words.pop(0)
    return words
