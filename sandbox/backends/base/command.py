"""A program to run in a sandbox of this machine, and what it is given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sandbox.core.protocol import KEEP_BYTES


@dataclass(frozen=True, kw_only=True)
class Command:
    program: Sequence[str]
    seconds: float
    keep_bytes: int = KEEP_BYTES
    stdin: bytes = b""
    source: Path | None = None
    """A file of ours to read as standard input."""
    target: Path | None = None
    """A file of ours for all of the output."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """What is put into the sandbox for it."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added outside, where it must not be seen from within."""

    more_follow: bool = False
    """Whether another command is likely to come soon."""

    @property
    def is_bare(self) -> bool:
        """Whether it is its program alone, so that what starts it can be started before."""
        more = (self.files, self.environment, self.source, self.target)
        return not (self.stdin or any(more))

    @property
    def is_fed(self) -> bool:
        """Whether there is anything for its standard input."""
        return bool(self.stdin or self.source)


HELD: Final = Command(program=(), seconds=0)
"""Stands for a command that is not known yet."""
