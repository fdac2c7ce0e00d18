"""The standard streams of the command, whatever state they were handed over in."""

import os
import sys
from typing import Final

_STREAMS: Final = ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w"))


def open_closed_streams() -> None:
    """Lead what is closed (`>&-`) to nowhere: else the next file that is opened takes its place."""
    for number, name, mode in _STREAMS:
        if getattr(sys, name) is not None:
            continue
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
        setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def write_out() -> bool:
    """Whether all output could be written; says why not, unless nobody reads on."""
    try:
        sys.stdout.flush()
    except OSError as error:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # Python writes what is left once more at its end
        os.close(nowhere)
        if not isinstance(error, BrokenPipeError):
            sys.stderr.write(f"Error: The output cannot be written: {error.strerror}.\n")
        return False
    return True
