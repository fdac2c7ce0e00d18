"""Environments of other agents: a virtual environment each, made where it is not there."""

import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
MINI: Final = "mini-swe-agent==2.4.6"
DEEPAGENTS: Final = "deepagents==0.7.32"
_WITH: Final = {DEEPAGENTS: ("langgraph-checkpoint-sqlite==3.1.2",)}


def program_of(package: str, name: str) -> str:
    """A program of a package's environment, which is made where it is not there."""
    folder = ROOT / f".venv-{package.partition('==')[0]}"
    program = folder / "bin" / name
    if not program.exists():
        uv = (sys.executable, "-m", "uv")
        subprocess.run([*uv, "venv", "-q", str(folder)], check=True)
        install = (*uv, "pip", "install", "-q", "--python", str(folder / "bin" / "python"))
        subprocess.run([*install, package, *_WITH.get(package, ())], check=True)
    return str(program)
