"""A plan as text that a person edits, and back."""

from typing import Final

from api.terminal.text.safe_text import clean_line
from graph import Plan

_HELP: Final = """\
# This is the plan. Save and close to have it carried out as it then stands.
# Leave it as it is, or empty, to go back to the question. Lines that begin with # are left out.
"""
_HEADS: Final = {"Steps": "steps", "Files": "files", "Checks beside those found": "validate_"}


def plan_to_text(plan: Plan) -> str:
    """The summary, then each list under its head, one entry a line."""
    parts = [_HELP, clean_line(plan.summary), ""]
    for head, field in _HEADS.items():
        parts += [f"{head}:", *(f"- {clean_line(entry)}" for entry in getattr(plan, field)), ""]
    return "\n".join(parts)


def plan_from_text(text: str, plan: Plan) -> Plan | None:
    """The edited plan, with what the text does not show as in `plan`.

    None where nothing was changed, and without a summary.
    A line below a head that does not begin with `- ` is an entry as well.
    """
    if text.strip() == plan_to_text(plan).strip():
        return None
    summary: list[str] = []
    lists: dict[str, list[str]] = {field: [] for field in _HEADS.values()}
    entries = summary
    for line in map(str.strip, text.splitlines()):
        if field := _HEADS.get(line.removesuffix(":")):
            entries = lists[field]
        elif line and not line.startswith("#"):
            entries.append(line if entries is summary else line.removeprefix("-").strip())
    if not summary:
        return None
    found = {field: tuple(filter(None, each)) for field, each in lists.items()}
    return plan.model_copy(update={"summary": " ".join(summary), **found})
