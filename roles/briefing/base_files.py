"""Files of a run's base, read by the id of its tree."""

import secrets
import shlex
from collections.abc import Sequence
from typing import Final

from sandbox import SYSTEM_FIRST, Sandbox

MAX_BYTES: Final = 12_000
"""So much of a file is read."""
_TIMEOUT_S: Final = 30.0
GIT: Final = f"""\
{SYSTEM_FIRST}export GIT_NO_REPLACE_OBJECTS=1
git=$(command -pv git || command -v git)
"""
_READ: Final = f"""\
{GIT}for_blobs() {{
  act=$1
  shift
  exec 3<<< "$(printf '%s\\n' "${{@/#/$tree:}}" |
    "$git" cat-file --follow-symlinks --batch-check='%(objecttype) %(objectname)' 2>/dev/null)"
  for name; do
    read -r blob <&3
    case "$blob" in
      "blob "*) "$act" "$name" "${{blob#blob }}" ;;
      "dangling "*|"loop "*|"notdir "*|"symlink "*)
        LC_ALL=C read -rN "$((${{blob#* }} + 1))" _ <&3 ;;
    esac
  done
}}
seen=
show_once() {{
  case "$seen" in *"$2"*) return ;; esac
  seen="$seen $2"
  printf '\\n%s %s\\n' "$mark" "$1"
  "$git" cat-file blob "$2" | head -c "$most"
}}
"""
"""By the id of the base's tree and the system's own git: what a change or its code wrote of these
files, of git's refs or of programs does not count. One git finds all names, a line each; after that
of a link that leads nowhere comes where it leads, as many bytes as the line says."""


async def list_base_files(sandbox: Sandbox, tree: str, command: str, max_bytes: int) -> list[str]:
    """The names that a command prints, a NUL after each. It may use `$git` and `$tree`."""
    script = f"tree={shlex.quote(tree)}\n{GIT}{command}"
    result = await sandbox.run(script, timeout_s=_TIMEOUT_S, keep_bytes=max_bytes)
    return [name.decode(errors="replace") for name in result.output.split(b"\0")[:-1]]


async def read_base_files(
    sandbox: Sandbox, tree: str, names: Sequence[str], *commands: str, max_bytes: int = MAX_BYTES
) -> tuple[list[tuple[str, str]], list[str]]:
    """The files that are there with their contents, each once, and what more commands print.

    Of each file at most `max_bytes` are read. A command may call `for_blobs`, which calls another
    with each name that is a file's, and its id.
    """
    mark = f"----- {secrets.token_hex(8)} -----"
    given = " ".join(shlex.quote(name) for name in names if "\n" not in name)
    head = f"tree={shlex.quote(tree)}; mark='{mark}'; most={max_bytes}\n{_READ}"
    script = f"{head}for_blobs show_once {given}\n" + "".join(
        f"printf '\\n%s \\n' '{mark}'\n{each}" for each in commands
    )
    result = await sandbox.run(script, timeout_s=_TIMEOUT_S, keep_bytes=8 * max_bytes)
    _, *sections = result.text.split(f"\n{mark} ")
    pieces = [section.partition("\n")[::2] for section in sections]
    files = [(name, text) for name, text in pieces if name]
    printed = [text for name, text in pieces if not name]
    return files, printed if len(printed) == len(commands) else [""] * len(commands)
