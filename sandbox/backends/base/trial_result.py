"""What came of trying one thing about a sandbox."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TrialResult:
    """Whether it held, what was seen, and how to fix it where it did not."""

    name: str
    held: bool
    detail: str
    fix: str = ""


Results = tuple[TrialResult, ...]
