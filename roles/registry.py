"""The registry of roles: the one place that says which there are and who plays them.

Settings, wiring, Modal's functions, the demo and the benchmarks take their lists from here or from
`graph.ROLE_NAMES`, whose order this has.
"""

from typing import Final

from graph import RoleName
from roles.base import ClaudeRole
from roles.coder import ClaudeCoder
from roles.fixer import ClaudeFixer
from roles.planner import ClaudePlanner
from roles.reviewer import ClaudeReviewer
from roles.setup import ClaudeSetup

ROLES: Final[dict[RoleName, type[ClaudeRole]]] = {
    "planner": ClaudePlanner,
    "coder": ClaudeCoder,
    "reviewer": ClaudeReviewer,
    "fixer": ClaudeFixer,
    "setup": ClaudeSetup,
}
"""Each class carries its prompt and limits (`spec`) and its kind of result (`result`)."""
