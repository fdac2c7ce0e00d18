"""The catalogue of secrets held against bytes, as a program of its own.

It is native code that reads what strangers wrote, so it runs apart from the token: with an empty
environment, under limits, and what it prints is where something was found, never what.

Input: the length of each content in eight bytes, then the content. Output: for each a line of JSON,
`[[rule, confidence, start, end], …]`. Arguments: the folder where the compiled rules are kept, a
file of rules beside the catalogue's, and where others are to have the processor before it, a word.
"""

import json
import os
import resource
import sys
from typing import BinaryIO, Final

LENGTH_BYTES: Final = 8
IN_BACKGROUND: Final = "in-background"
_MEMORY: Final = 2 * 1024**3
_CPU_S: Final = 120
_CPU_S_PER_MIB: Final = 10
_MIB: Final = 1024**2
_YIELDING: Final = 10


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    _allow_processor_time(_CPU_S)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if IN_BACKGROUND in sys.argv[3:]:
        os.nice(_YIELDING)
    from kingfisher_sdk import Rules, Scanner  # native code, kept out of who starts this program

    scanner = Scanner(Rules([sys.argv[2]], confidence="medium", cache_dir=sys.argv[1]), redact=True)
    read = 0
    while (content := _next(sys.stdin.buffer)) is not None:
        read += len(content)
        _allow_processor_time(_CPU_S + _CPU_S_PER_MIB * read // _MIB)
        found = [
            [
                finding.rule_id,
                finding.confidence,
                finding.location["start_offset"],
                finding.location["end_offset"],
            ]
            for finding in scanner.scan(content)
            if finding.visible
        ]
        sys.stdout.write(json.dumps(found) + "\n")


def _allow_processor_time(seconds: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    soft = seconds if most == resource.RLIM_INFINITY else min(seconds, most)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, most))


def _next(stream: BinaryIO) -> bytes | None:
    length = stream.read(LENGTH_BYTES)
    return stream.read(int.from_bytes(length, "big")) if length else None


if __name__ == "__main__":
    main()
