from .archived_environments import BASELINES as BASELINES
from .archived_environments import ArchivedEnvironments as ArchivedEnvironments
from .deployed_records import DeployedRecords as DeployedRecords
from .deployed_records import records_of as records_of
from .role_starts import RoleStarts as RoleStarts
from .role_starts import begun_with as begun_with
from .shared_workspaces import SharedWorkspaces as SharedWorkspaces
from .shared_workspaces import kept_trees as kept_trees
