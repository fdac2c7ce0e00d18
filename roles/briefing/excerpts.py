"""Lines of the base that a plan names for whoever carries it out without having read them."""

import re
import secrets
import shlex
from collections.abc import Sequence
from typing import Final

from roles.briefing.base_files import GIT
from roles.briefing.untrusted_text import quote_untrusted
from sandbox import Sandbox

_RANGE: Final = re.compile(r"([^\n\0]{1,400}):(\d{1,7})-(\d{1,7})")
_MOST_RANGES: Final = 20
_MOST_LINES: Final = 400
_MAX_BYTES: Final = 24_000
_TIMEOUT_S: Final = 20.0


async def read_excerpts(sandbox: Sandbox, tree: str, ranges: Sequence[str]) -> str:
    """The ranges (`path:from-to`) as the base has them, word for word; empty where there is none.

    `tree` is the id of the base's tree; read from git's objects, by the system's own git.
    """
    found = [match for each in ranges if (match := _RANGE.fullmatch(each.strip()))][:_MOST_RANGES]
    if not found:
        return ""
    mark = f"----- {secrets.token_hex(8)} -----"
    script = "\n".join([GIT, *(_print_range(tree, match) + f"; echo '{mark}'" for match in found)])
    result = await sandbox.run(script, timeout_s=_TIMEOUT_S, keep_bytes=2 * _MAX_BYTES)
    texts = result.text.split(f"{mark}\n")
    shown = [
        f"{match[0]}\n{text.rstrip()}"
        for match, text in zip(found, texts, strict=False)
        if text.strip()
    ]
    if not shown:
        return ""
    quoted = quote_untrusted("excerpts", "\n\n".join(shown), _MAX_BYTES)
    return f"These lines of the base were read for the plan:\n{quoted}"


def _print_range(tree: str, match: re.Match[str]) -> str:
    first, last = int(match[2]), min(int(match[3]), int(match[2]) + _MOST_LINES)
    blob = shlex.quote(f"{tree}:{match[1].removeprefix('./')}")
    lines = f"sed -n '{first},{last}p;{last}q' | head -c {_MAX_BYTES}"
    return f'"$git" cat-file blob {blob} 2>/dev/null | {lines}'
