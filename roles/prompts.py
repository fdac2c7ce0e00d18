"""The system prompts of the roles."""

from typing import Final

from graph import RoleName
from roles import coder, fixer, planner, reviewer

PROMPTS: Final[dict[RoleName, str]] = {
    "planner": planner.PROMPT,
    "coder": coder.PROMPT,
    "reviewer": reviewer.PROMPT,
    "fixer": fixer.PROMPT,
}
