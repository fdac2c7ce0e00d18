"""What a tool call does, in one line."""

import json

from api.terminal.text.safe_text import clean_line
from api.terminal.text.untrusted_fields import Fields

_EDITS = {"view": "view", "create": "create", "str_replace": "edit", "insert": "edit"}
_TREE = "/workspace/"


def tool_label(event: Fields) -> str:
    """`$ COMMAND`, `edit PATH`, or the tool's name with its input."""
    tool, given = event.line("tool"), event.inner("input")
    if command := given.text("command") if tool == "bash" else "":
        return _shell(command)
    if given.flag("restart"):
        return "restart the shell"
    if verb := _EDITS.get(given.line("command")):
        return f"{verb} {given.line('path').removeprefix(_TREE)}"
    if not given:
        return tool
    return clean_line(f"{tool} {json.dumps(given.values(), ensure_ascii=False, default=str)}")


def _shell(command: str) -> str:
    lines = [line for line in command.splitlines() if line.strip()]
    more = f"  (+{len(lines) - 1} lines)" if len(lines) > 1 else ""
    return f"$ {clean_line(lines[0]) if lines else ''}{more}"
