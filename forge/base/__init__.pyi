from .cache import KeptBases as KeptBases
from .change_layers import ChangeLayers as ChangeLayers
from .prefetch import WarmingRepositories as WarmingRepositories
from .pull_patches import PullPatches as PullPatches
from .pull_patches import PullPatchReader as PullPatchReader
from .service import GitRepositories as GitRepositories
from .single_commit import SingleCommits as SingleCommits
