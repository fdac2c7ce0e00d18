from .known_contents import with_contents as with_contents
from .moved_tests import moved_ids as moved_ids
from .parse_diff import Diff as Diff
from .parse_diff import FileDiff as FileDiff
from .tamper_patterns import hints as hints
