"""The command's exit code is the run's."""

from typing import Final

USAGE: Final = 2
FAILED: Final = 1
CANCELLED: Final = 130

EXIT_CODES: Final[dict[str, int]] = {
    "succeeded": 0,
    "no_changes": 3,
    "rejected": 3,
    "incomplete": FAILED,
    "blocked": FAILED,
    "budget_exhausted": 4,
    "timed_out": 4,
    "failed": FAILED,
    "interrupted": FAILED,
    "cancelled": CANCELLED,
}


def exit_code(status: str | None) -> int:
    """The exit code of a final status; without one, or with one of a newer server, it failed."""
    return EXIT_CODES.get(status or "", FAILED)
