"""Commands of git, by no configuration but the repository's."""

import subprocess
from pathlib import Path
from typing import Final

ENVIRONMENT: Final = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
}


def git(folder: Path, *words: str, **environment: str) -> str:
    """What the command prints."""
    done = subprocess.run(
        ["git", *words],
        cwd=folder,
        env=ENVIRONMENT | environment,
        capture_output=True,
        text=True,
        errors="replace",
        check=True,
    )
    return done.stdout
