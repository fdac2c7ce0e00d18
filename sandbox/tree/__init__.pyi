from .run_folder import LIVE_TREES as LIVE_TREES
from .run_folder import PLAN as PLAN
from .run_folder import PLAN_TREES as PLAN_TREES
from .run_folder import LocalWorkspaces as LocalWorkspaces
from .run_folder import live_tree as live_tree
from .run_folder import review_tree as review_tree
from .take_patch import TakenChange as TakenChange
from .take_patch import take_change as take_change
