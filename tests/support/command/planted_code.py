"""Code that a checkout brings, where a Python that is started in it might look."""

from pathlib import Path
from typing import Final

from coding_agent.name_clash import FOR_COMMANDS

_NAMES: Final = (
    *("encodings", "re", "typing", "sitecustomize", "usercustomize", "typer", "pip"),
    *("coding_agent", *FOR_COMMANDS),
)
_WRITES: Final = """\
import posix  # there from the beginning: `encodings` runs before there is an `open`
file = posix.open({trap!r}, posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND, 0o600)
posix.write(file, __file__.encode() + b"\\n")
posix.close(file)
"""


def plant(folder: Path, trap: Path) -> Path:
    """Write it to `folder`, as packages and as modules; each adds its name to `trap` if it runs."""
    for name in _NAMES:
        for path in (f"{name}.py", f"{name}/__init__.py", f"{name}/__main__.py"):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(_WRITES.format(trap=str(trap)))
    return folder
