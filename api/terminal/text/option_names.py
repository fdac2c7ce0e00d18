"""Fields of the HTTP interface as the command names them."""

import re
from typing import Final

_FIELDS: Final = {
    "repoUrl": "--repo",
    "baseBranch": "--base",
    "includeUncommitted": "--include-uncommitted",
    "validateOnly": "--validate-only",
    "approvePlan": "--approve-plan",
    "maxCostUsd": "--max-cost",
    "maxFixRounds": "--max-fix-rounds",
    "maxTokens": "CODING_AGENT_MAX_TOKENS",
    "timeoutS": "--timeout",
}
_AT_POINTERS: Final = _FIELDS | {
    "prompt": "PROMPT",
    "text": "TEXT",
    "feedback": "--revise",
    "labels": "--label",
    "reviewers": "--reviewer",
    **{name: f"--{name}" for name in ("branch", "setup", "validate", "draft", "title")},
    **{name: f"--{name}" for name in ("allow", "model", "status", "repo", "limit")},
}
_NAMES: Final = re.compile(rf"/?\b({'|'.join(_FIELDS)})\b")
_PLACE: Final = "|".join(_AT_POINTERS)
_POINTERS: Final = re.compile(
    rf"^(?:/({_PLACE})(?:/\w{{1,64}})* |({_PLACE})(?:\.\w{{1,64}})*: )", re.MULTILINE
)
"""Where a value does not fit: `/labels/0 ` of a server, `labels.0: ` of this machine."""


def name_options(text: str) -> str:
    """`text` of a service with the command's options in place of fields of a request."""
    text = _POINTERS.sub(lambda found: f"{_AT_POINTERS[found[1] or found[2]]}: ", text)
    return _NAMES.sub(lambda found: _FIELDS[found[1]], text)
