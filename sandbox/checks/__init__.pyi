from .parse_diff import FileDiff as FileDiff
from .parse_diff import file_diffs as file_diffs
from .parse_diff import load_diff as load_diff
from .service import PLAN as PLAN
from .service import SandboxChecks as SandboxChecks
from .tamper_patterns import hints as hints
from .tamper_patterns import is_test as is_test
