from .kept_results import KeptResults as KeptResults
from .parse_diff import Diff as Diff
from .parse_diff import FileDiff as FileDiff
from .service import PLAN as PLAN
from .service import SandboxChecks as SandboxChecks
from .tamper_patterns import hints as hints
from .tamper_patterns import is_test as is_test
