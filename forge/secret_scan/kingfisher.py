"""A maintained catalogue of what secrets look like (Kingfisher's), asked in a process apart."""

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from forge.secret_scan import kingfisher_worker as worker

_ATTEMPTS: Final = 3
_PAUSE_S: Final = 0.2
_ASLEEP_S: Final = 1800
"""For a program that hangs: one that works is held to its processor time, by what it reads."""
MAX_ASKED: Final = 64 * 1024 * 1024
"""How much is asked about at once, in bytes; a larger file is asked about alone."""
_OWN_RULES: Final = Path(__file__).with_name("own_rules.yml")
_COMPARED: Final = 8 * 1024 * 1024
_MOST_SEARCHED: Final = 200
"""So many findings are each looked for in all of the old content."""
_ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
_OFTEN_EXAMPLES: Final = frozenset(("betterleaks.jwt", "betterleaks.jwt-base64"))
"""Tests of signing in are full of these, and they end by themselves."""
_SURE: Final = frozenset(
    f"veles.secrets/{kind}" for kind in ("npmjsaccesstoken", "sendgrid", "digitaloceanapikey")
)
"""The catalogue is less sure of these, but each has a form of its own."""
_EXAMPLE: Final = b"EXAMPLE"
"""So end the keys in the manuals of Amazon."""
_RUN: Final = re.compile(rb"[A-Za-z0-9+/=_.~:@%-]{16,}")
_LETTERS: Final = re.compile(rb"[A-Za-z]{24}")
_DIGIT: Final = re.compile(rb"[0-9]")


@dataclass(frozen=True)
class Suspicion:
    """Where one rule of the catalogue found something."""

    rule: str
    sure: bool
    """The rule knows the secret by a form of its own, not by words around it."""
    start: int
    end: int


class CatalogueFailed(Exception):
    """Raised when the catalogue did not come to its end with these contents."""


class CatalogueMissing(CatalogueFailed):
    """Raised when the catalogue is not there to be asked."""


class SecretCatalogue:
    """Finds secrets of many services. `cache`: a folder of ours, for the compiled rules."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._command = (sys.executable, "-I", worker.__file__, str(cache), str(_OWN_RULES))
        self._compiling = threading.Lock()
        self._compiler: subprocess.Popen[bytes] | None = None
        self._is_stopped = False

    def compile(self) -> None:
        """Compile the rules where none are kept, which takes seconds. Belongs in a thread."""
        with self._compiling:
            if self._is_stopped or any(self._cache.glob("*")):
                return
            command = [*self._command, worker.IN_BACKGROUND]
            try:
                self._compiler = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    env=_ENVIRONMENT,
                )
            except OSError:  # who asks is told
                return
            if self._is_stopped:
                self._compiler.kill()
            try:
                self._compiler.wait(_ASLEEP_S)
            except subprocess.TimeoutExpired:
                self._compiler.kill()
                self._compiler.wait()

    def stop_compiling(self) -> None:
        """What is compiled is ended, as nobody will ask."""
        self._is_stopped = True
        if self._compiler:
            self._compiler.kill()

    def find(self, contents: Sequence[tuple[bytes, bytes]]) -> list[list[Suspicion]]:
        """What each new content holds that the old one beside it does not; belongs in a thread.

        Raises CatalogueFailed.
        """
        if not contents:
            return []
        answers = self._ask([new for new, _ in contents])
        return [
            self._added(found, new, old)
            for (new, old), found in zip(contents, answers, strict=True)
        ]

    def hide(self, texts: Sequence[str]) -> list[str]:
        """The texts without what was found in them. Raises CatalogueFailed."""
        data = [text.encode("utf-8", "replace") for text in texts]
        if not any(may_hold_secret(text, b"") for text in data):
            return list(texts)
        return [
            _without(text, found).decode("utf-8", "replace")
            for text, found in zip(data, self._ask(data), strict=True)
        ]

    def _added(self, found: list[Suspicion], new: bytes, old: bytes) -> list[Suspicion]:
        """Those that are not old. Very many are held against what is found in the old content."""
        known: bytes | set[bytes] = old
        if old and len(found) > _MOST_SEARCHED:
            (before,) = self._ask([old])
            known = {old[one.start : one.end] for one in before}
        return [one for one in found if not _is_old(one, new, known)]

    def _ask(self, contents: list[bytes]) -> list[list[Suspicion]]:
        for attempt in range(1, _ATTEMPTS):
            try:
                return self._ask_once(contents)
            except CatalogueMissing:
                raise
            except CatalogueFailed:
                time.sleep(_PAUSE_S * 2**attempt)
        return self._ask_once(contents)

    def _ask_once(self, contents: list[bytes]) -> list[list[Suspicion]]:
        with self._compiling:  # two at once would each take twice as long
            pass
        size = worker.LENGTH_BYTES
        framed = b"".join(len(content).to_bytes(size, "big") + content for content in contents)
        try:
            done = subprocess.run(
                self._command,
                input=framed,
                capture_output=True,
                check=True,
                cwd="/",
                env=_ENVIRONMENT,
                timeout=_ASLEEP_S,
            )
            rows = [json.loads(line) for line in done.stdout.splitlines()]
        except subprocess.CalledProcessError as error:
            raise _failure(error) from None
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            raise CatalogueFailed(type(error).__name__) from None
        if len(rows) != len(contents):
            raise CatalogueFailed("an answer is missing")
        return [[_suspicion(*found) for found in row if found[1] != "low"] for row in rows]


def may_hold_secret(new: bytes, old: bytes) -> bool:
    """Whether something in `new` is not in `old` and long enough to be a secret.

    A token has a digit among its characters, or is a long word; most changes add neither.
    """
    known = set(_RUN.findall(old)) if len(old) <= _COMPARED else set()
    runs = (found[0] for found in _RUN.finditer(new))
    return any(_DIGIT.search(run) or _LETTERS.search(run) for run in runs if run not in known)


def _failure(error: subprocess.CalledProcessError) -> CatalogueFailed:
    """Why the program ended. What it said is not told: it read what must not be shown."""
    if b"\nModuleNotFoundError: " in error.stderr:
        return CatalogueMissing("kingfisher-secret-scanner is not installed")
    return CatalogueFailed(f"the catalogue's program ended with {error.returncode}")


def _suspicion(rule: str, confidence: str, start: int, end: int) -> Suspicion:
    sure = (confidence == "high" or rule in _SURE) and rule not in _OFTEN_EXAMPLES
    return Suspicion(rule, sure, start, end)


def _is_old(found: Suspicion, new: bytes, old: bytes | set[bytes]) -> bool:
    text = new[found.start : found.end]
    return text.endswith(_EXAMPLE) or (bool(text) and text in old)


def _without(data: bytes, found: list[Suspicion]) -> bytes:
    """Findings that overlap or touch are cut out as one."""
    kept, end = list[bytes](), 0
    for one in sorted(found, key=lambda one: one.start):
        if one.start > end or not kept:
            kept += data[end : one.start], b"***"
        end = max(end, one.end)
    return b"".join([*kept, data[end:]])
