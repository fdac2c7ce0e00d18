"""What compilers, type checkers and linters say of places in files, told apart without lines.

A line's number moves with every line above it, so that the file and the message name a problem;
one that a file has several times is counted.
"""

import re
from collections import Counter
from collections.abc import Iterator

_NAME = r"[^\s:(\[][^:(\[\n]{0,300}\.[A-Za-z]\w{0,9}"
_NO_ERROR = r"(?!(?:fatal )?(?:warning|note|info|information|help|hint)\b)"
_ONE_LINE = re.compile(
    rf"\s{{0,4}}(?:\[ERROR\] |vet: )?(?P<file>{_NAME})"
    r"(?:(?::\d+){1,2}(?::| -)|\(\d+,\d+\):|:\[\d+,\d+\])"
    rf" {_NO_ERROR}(?P<message>\S.*)"
)
_PLACE = re.compile(rf"\s*--> (?P<file>{_NAME}):\d+:\d+")
_HEADING = re.compile(rf"{_NO_ERROR}(?P<message>\S.*)")
_ESLINT = re.compile(r"\s+\d+:\d+\s+error\s+(?P<message>\S.*)")
_FORMAT = re.compile(rf"(?P<message>Diff in|would reformat:?|Would reformat:?) (?P<file>{_NAME}).*")


def diagnostics(lines: list[str]) -> Iterator[str]:
    """Problems as `file: message`, repeated ones with their number."""
    counted: Counter[str] = Counter()
    for problem in _problems(lines):
        counted[problem] += 1
        number = counted[problem]
        yield problem if number == 1 else f"{problem} ({number})"


def _problems(lines: list[str]) -> Iterator[str]:
    """`a.py:1:8: F401 …`; `error: …` above ` --> a.rs:1:8`; eslint's, below their file."""
    above = heading = ""
    for line in lines:
        if match := _ONE_LINE.fullmatch(line) or _FORMAT.fullmatch(line):
            yield _problem(match["file"], match["message"])
        elif match := _PLACE.fullmatch(line):
            if problem := _HEADING.fullmatch(above):
                yield _problem(match["file"], problem["message"])
        elif heading and (match := _ESLINT.fullmatch(line)):
            yield _problem(heading, match["message"])
        if line[:1].strip():
            heading = line
        above = line


def _problem(file: str, message: str) -> str:
    return f"{file}: {' '.join(message.split())}"
