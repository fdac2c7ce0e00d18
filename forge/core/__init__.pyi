from .forge import ONCE as ONCE
from .forge import Forge as Forge
from .forge import MergedPull as MergedPull
from .forge import PullText as PullText
from .pull_checks import CheckRun as CheckRun
from .pull_checks import PullState as PullState
from .repository_address import is_loopback as is_loopback
from .repository_address import parse as parse
