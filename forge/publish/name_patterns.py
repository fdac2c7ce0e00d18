"""Names held against patterns that a repository sets: what strangers wrote runs in no loop of ours.

A regular expression is tried by a program of its own, with a second of processor time.
"""

import asyncio
import subprocess
import sys
from typing import Final

from forge.core.branch_rules import NamePattern

_TIMEOUT_S: Final = 30.0
_SEARCH: Final = """
import re, resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29))
print(bool(re.search(sys.argv[1], sys.argv[2])))
"""
_ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


async def matches(name: str, pattern: NamePattern) -> bool | None:
    """Whether a name is as the pattern wants it; None where that cannot be told."""
    if pattern.operator == "regex":
        found = await _search(pattern.text, name)
    elif pattern.operator == "starts_with":
        found = name.startswith(pattern.text)
    elif pattern.operator == "ends_with":
        found = name.endswith(pattern.text)
    else:
        found = pattern.text in name
    return None if found is None else found != pattern.negated


async def _search(expression: str, text: str) -> bool | None:
    """Whether it is found; None where this is no expression of Python's, or takes too long."""
    if "\0" in expression:
        return None
    try:
        tried = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-I", "-c", _SEARCH, expression, text],
            cwd="/",
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    return {b"True": True, b"False": False}.get(tried.stdout.strip())
