"""Reports of Java's test runners: Maven's Surefire, and Gradle."""

import re
from collections.abc import Iterator
from typing import Final

_SUREFIRE_END = re.compile(r"[^<]*<<< (?:ERROR|FAILURE)!")
_GRADLE = re.compile(r"(?P<id>[^>\s].* > .+) FAILED")


def _surefire(lines: list[str]) -> Iterator[str]:
    """`[ERROR] demo.SumTest.adds -- Time elapsed: 0.01 s <<< FAILURE!`, and as it was before."""
    for line in lines:
        head, elapsed, end = line.removeprefix("[ERROR]").strip().partition("Time elapsed: ")
        test = head.rstrip().removesuffix("--").rstrip()
        if elapsed and test and _SUREFIRE_END.fullmatch(end) and not test.startswith("Tests run:"):
            yield test


def _gradle(lines: list[str]) -> Iterator[str]:
    """`SumTest > adds() FAILED`; a line of a task begins with `>`."""
    for line in lines:
        if line.endswith(" FAILED") and (match := _GRADLE.fullmatch(line)):
            yield match["id"]


JVM: Final = (_surefire, _gradle)
