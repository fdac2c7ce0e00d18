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
{GIT}find_blob() {{
  "$git" cat-file --follow-symlinks --batch-check='%(objecttype) %(objectname)' \\
    2>/dev/null <<< "$tree:$1"
}}
read_all() {{
  seen=
  for name; do
    blob=$(find_blob "$name")
    case "$blob" in
      "blob "*) ;;
      *) continue ;;
    esac
    case "$seen" in *"$blob"*) continue ;; esac
    seen="$seen $blob"
    printf '\\n%s %s\\n' "$mark" "$name"
    "$git" cat-file blob "${{blob#blob }}" | head -c "$most"
  done
}}
"""
"""By the id of the base's tree and the system's own git: what a change or its code wrote of these
files, of git's refs or of programs does not count."""


async def list_base_files(sandbox: Sandbox, tree: str, command: str, max_bytes: int) -> list[str]:
    """The names that a command prints, a NUL after each. It may use `$git` and `$tree`."""
    script = f"tree={shlex.quote(tree)}\n{GIT}{command}"
    result = await sandbox.run(script, timeout_s=_TIMEOUT_S, keep_bytes=max_bytes)
    return [name.decode(errors="replace") for name in result.output.split(b"\0")[:-1]]


async def read_base_files(
    sandbox: Sandbox, tree: str, names: Sequence[str], *commands: str, max_bytes: int = MAX_BYTES
) -> tuple[list[tuple[str, str]], list[str]]:
    """The files that are there with their contents, each once, and what more commands print.

    Of each file at most `max_bytes` are read.
    """
    mark = f"----- {secrets.token_hex(8)} -----"
    given = " ".join(map(shlex.quote, names))
    head = f"tree={shlex.quote(tree)}; mark='{mark}'; most={max_bytes}\n{_READ}read_all {given}\n"
    script = head + "".join(f"printf '\\n%s \\n' '{mark}'\n{each}" for each in commands)
    result = await sandbox.run(script, timeout_s=_TIMEOUT_S, keep_bytes=8 * max_bytes)
    _, *sections = result.text.split(f"\n{mark} ")
    pieces = [section.partition("\n")[::2] for section in sections]
    files = [(name, text) for name, text in pieces if name]
    printed = [text for name, text in pieces if not name]
    return files, printed if len(printed) == len(commands) else [""] * len(commands)
