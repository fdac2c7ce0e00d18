"""The command `coding-agent`, as its launcher or `python -m coding_agent` starts it."""

import gc
import os
import sys
from pathlib import Path
from typing import Final

from coding_agent.name_clash import FOR_COMMANDS, NameClash, check_names
from coding_agent.standard_streams import open_closed_streams, write_out

_CODE_PATHS: Final = ("PYTHONPATH", "PYTHONHOME")
"""What leads a Python to other modules than its own."""

_COLLECTED_AFTER: Final = (10_000, 10, 10)
"""When the collector looks at objects: what is imported stays, so it is not gone through again."""


def main() -> None:
    """The entry point. No process that is started from here takes code from PYTHONPATH."""
    for name in _CODE_PATHS:
        os.environ.pop(name, None)
    gc.set_threshold(*_COLLECTED_AFTER)
    open_closed_streams()
    _leave_working_directory()
    try:
        check_names(FOR_COMMANDS)
    except NameClash as clash:
        sys.exit(str(clash))
    from api.cli.main import main as command

    try:
        command()
    except SystemExit as end:
        if not write_out() and not end.code:
            sys.exit(1)
        raise
    except OSError:
        if write_out():
            raise
        sys.exit(1)
    finally:
        gc.freeze()  # else the collector goes through all that was imported before it is let go


def _leave_working_directory() -> None:
    """Of `python -m` without -P: it looks for modules where it is called first, as pip says too."""
    here = Path(__file__).parents[1]
    try:
        is_first = Path(sys.path[0]) == Path.cwd() != here
    except FileNotFoundError:  # it was removed
        return
    if not sys.flags.safe_path and is_first:
        del sys.path[0]


if __name__ == "__main__":
    main()
