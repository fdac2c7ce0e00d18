"""Public bug reports of systems like this one, each played as a whole run.

A row says where it was reported, what went wrong there, what the repository and the roles do here,
and what must hold at the end. The next report is one more row of the kind that it is of.
"""

from typing import Final

from tests.e2e.replays.changes import CHANGES
from tests.e2e.replays.commands import COMMANDS
from tests.e2e.replays.edits import EDITS
from tests.e2e.replays.publications import PUBLICATIONS
from tests.e2e.replays.replies import REPLIES
from tests.e2e.replays.report import Report

REPORTS: Final[tuple[Report, ...]] = (*COMMANDS, *EDITS, *CHANGES, *REPLIES, *PUBLICATIONS)
