"""What a change does to tests and checks, shown to the reviewer as facts that it can look at."""

from collections.abc import Sequence
from itertools import islice
from typing import Final

from roles.briefing.untrusted_text import quote_untrusted
from sandbox.changes import FileDiff, hints

_MAX_FACTS: Final = 40
_MAX_FACT: Final = 160
_MAX_BYTES: Final = 5_000


def describe_test_changes(files: Sequence[FileDiff]) -> str:
    """The facts as a part of the reviewer's opening."""
    found = list(islice((hint.fact for hint in hints(files)), _MAX_FACTS + 1))
    changed = ", ".join(file.path for file in files if file.status != "deleted" and file.tests)
    lines = [f"tests changed or added: {changed or 'none'}"[: 4 * _MAX_FACT]]
    lines += [fact[:_MAX_FACT] for fact in found[:_MAX_FACTS]]
    if len(found) > _MAX_FACTS:
        lines.append("and more")
    heading = "What the diff does to tests and checks, found by a program; look where it matters:"
    return f"{heading}\n{quote_untrusted('test_facts', chr(10).join(lines), _MAX_BYTES)}"
