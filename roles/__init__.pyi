from .base import ClaudeRole as ClaudeRole
from .coder import ClaudeCoder as ClaudeCoder
from .fixer import ClaudeFixer as ClaudeFixer
from .planner import ClaudePlanner as ClaudePlanner
from .registry import ROLES as ROLES
from .reviewer import ClaudeReviewer as ClaudeReviewer
from .setup import ClaudeSetup as ClaudeSetup
