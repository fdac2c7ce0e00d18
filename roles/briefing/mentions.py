"""The lines of a repository that hold what a request names: the rarest names first."""

import re
import shlex
from collections.abc import Sequence
from typing import Final

from roles.briefing.untrusted_text import quote_untrusted
from sandbox import is_code, is_test

_MAX_BYTES: Final = 2_500
_MOST_TERMS: Final = 6
_MOST_LINES: Final = 4
"""Of one term."""
_COMMON: Final = 60
"""A term in so many lines or more tells nothing of where to look."""
_LONGEST_LINE: Final = 200
_TERM: Final = re.compile(
    r"`([^`\n]{2,60})`"
    r"|\"([^\"\n]{2,60})\""
    r"|(?<![\w'])'([^'\n]{2,60})'(?!\w)"
    r"|(?<![\w-])((?:--)?[A-Za-z_]\w*+(?:[-./:]++\w++)+)"
    r"|\b(\w*_\w+|[a-z]+[A-Z]\w*|[A-Z][a-z]+[A-Z]\w*)"
)


def extract_terms(prompt: str, project: str = "") -> list[str]:
    """What a request names exactly: quoted texts, paths, options and identifiers.

    The `project`'s own name is none: it is everywhere.
    """
    found = (next(filter(None, match.groups())).strip() for match in _TERM.finditer(prompt))
    named = (term for term in found if len(term) > 2 and _plain(term) != _plain(project))
    return list(dict.fromkeys(named))[:_MOST_TERMS]


def search_script(terms: Sequence[str], mark: str) -> str:
    """A command that prints the lines with each term as a whole word, a mark after each."""
    return "".join(
        f"timeout 5 git grep --cached -nIFw -e {shlex.quote(term)} 2>/dev/null"
        f" | cut -c1-{_LONGEST_LINE} | head -n {_COMMON}\nprintf '%s\\n' '{mark}'\n"
        for term in terms
    )


def show_mentions(printed: str, mark: str) -> str:
    """A few lines of each term, of the rarest first; sources before tests before documents."""
    lists = [part.strip("\n").split("\n") for part in printed.split(f"{mark}\n")]
    rare = sorted((lines for lines in lists if lines[0] and len(lines) < _COMMON), key=len)
    shown = [line for lines in rare for line in sorted(lines, key=_rank)[:_MOST_LINES]]
    if not shown:
        return ""
    quoted = quote_untrusted("mentions", "\n".join(dict.fromkeys(shown)), _MAX_BYTES)
    return f"Lines that hold what the request names:\n{quoted}"


def _rank(line: str) -> int:
    path = line.partition(":")[0]
    if is_test(path):
        return 1
    return 0 if is_code(path) else 2


def _plain(name: str) -> str:
    return re.sub(r"[-_. ]", "", name).lower()
