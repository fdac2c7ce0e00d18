"""The bundled sample: a small repository and what is asked of it."""

import shutil
import subprocess
from importlib import resources
from pathlib import Path
from typing import Final

NAME: Final = "demo/tinybill"
BRANCH: Final = "main"
REQUEST: Final = (
    "Let an invoice carry a discount in percent, taken off before tax and shown on its own line."
)

_AUTHOR: Final = "Tinybill <tinybill@example.com>"
_DATE: Final = "2026-01-05T09:00:00+00:00"
_IDENTITY: Final = {
    f"GIT_{role}_{name}": value
    for role in ("AUTHOR", "COMMITTER")
    for name, value in (
        ("NAME", _AUTHOR.partition(" <")[0]),
        ("EMAIL", _AUTHOR.partition(" <")[2].rstrip(">")),
        ("DATE", _DATE),
    )
}
_NO_CONFIG: Final = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "HOME": "/"}
_PATH: Final = "/usr/local/bin:/usr/bin:/bin"


def make_sample(folder: Path) -> Path:
    """A git repository of the sample in the new `folder`: always the same commit."""
    with resources.as_file(resources.files("demo") / "sample") as files:
        shutil.copytree(files, folder, ignore=shutil.ignore_patterns("__pycache__"))
    _git(folder, "init", "--quiet", f"--initial-branch={BRANCH}")
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--message", "Print invoices from plain text files")
    return folder


def _git(folder: Path, *words: str) -> None:
    environment = {"PATH": _PATH, **_NO_CONFIG, **_IDENTITY}
    subprocess.run(["git", *words], cwd=folder, env=environment, check=True, capture_output=True)
